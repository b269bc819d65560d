//! Tables as they are met: what becomes of their columns, what is said of it, and that other files are read the same way.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use syncline_data::{
    Decimal, Features, Fitted, Input, Kind, Label, Layout, Missing, Notation, ReadOptions, Schema,
    TargetKind, Targets,
};

fn input(name: &str, text: impl Into<Vec<u8>>) -> Input {
    Input::bytes(name, text.into())
}

fn fit(text: &str, options: &ReadOptions) -> Result<Fitted, String> {
    Schema::fit(&[input("t.csv", text)], options).map_err(|error| error.to_string())
}

fn fitted(text: &str) -> Fitted {
    fit(text, &ReadOptions::default()).unwrap()
}

fn row(data: &syncline_data::Dataset, row: usize) -> Vec<f32> {
    match data.features() {
        Features::Dense(dense) => dense.values().chunks(data.columns()).nth(row).unwrap().to_vec(),
        Features::Sparse(_) => panic!("a table is dense"),
    }
}

fn labels(data: &syncline_data::Dataset) -> (Vec<u32>, Vec<String>) {
    match data.targets() {
        Targets::Class { labels, names } => (labels.clone(), names.clone()),
        Targets::Real(_) => panic!("classes"),
    }
}

/// A table of houses: words, a number, yes and no, a date, a constant, an identifier, a missing cell, a price.
fn houses(rows: usize) -> String {
    let mut text = String::from("key,city,area,garden,sold,country,price\n");
    for row in 0..rows {
        let city = ["\"Rome, Italy\"", "Paris", "Oslo"][row % 3];
        let area = if row == 4 { String::new() } else { format!("{}.5", 40 + row * 7 % 90) };
        let garden = ["yes", "no"][row % 2];
        let sold = format!("20{:02}-{:02}-{:02}", 10 + row % 9, 1 + row % 12, 1 + row % 28);
        text += &format!("house-{row},{city},{area},{garden},{sold},EU,{}\n", 200_000 + row * 1371 % 90_000);
    }
    text
}

#[test]
fn columns_of_every_kind_are_understood_and_told() {
    let Fitted { schema, data, notes } = fitted(&houses(60));
    assert_eq!(
        schema.features(),
        [
            "city=Oslo",
            "city=Paris",
            "city=Rome, Italy",
            "area",
            "garden",
            "sold",
            "sold sin day of the week",
            "sold cos day of the week",
            "sold sin time of year",
            "sold cos time of year"
        ]
    );
    assert_eq!((data.rows(), data.columns()), (60, 10));
    assert!(
        notes[0].starts_with("regression of `price`: its 60 different whole numbers in 60 rows"),
        "{notes:?}"
    );
    assert!(notes[0].contains("--task classification"));
    let said = notes.join("\n");
    for part in [
        "10 features from 1 number, 1 yes or no, 1 date and 1 column of words",
        "`key` is left out: its 60 texts are all different: it names the rows",
        "`country` is left out: it is `EU` in all rows",
        "`sold` is read as year-month-day",
        "1 missing cell was filled with the mean",
    ] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
    let filled = row(&data, 4);
    assert_eq!((filled[3], filled[..3].to_vec()), (0.0, vec![0.0, 1.0, 0.0]), "the mean, and Paris");
    let mean = (0..60).map(|i| f64::from(row(&data, i)[3])).sum::<f64>() / 60.0;
    assert!(mean.abs() < 1e-6, "standardised: {mean}");
}

#[test]
fn other_files_are_read_by_name_in_any_order() {
    let Fitted { schema, data, .. } = fitted(&houses(60));
    let other = "price,sold,extra,area,city,garden\n200000,2010-01-01,?,40.5,\"Rome, Italy\",YES\n1,2011-02-02,,,Lyon,no\n";
    let (read, notes) = schema.read(&[input("o.csv", other)], Layout::default()).unwrap();
    assert_eq!(row(&read, 0), row(&data, 0), "the first row of the training file");
    assert_eq!(row(&read, 1)[..4], [0.0; 4], "an unknown city is none, a missing area the mean");
    assert_eq!(read.target_scale(), data.target_scale());
    assert!(
        notes.join("\n").contains("1 word unknown in training counted as none (such as `Lyon` in `city`)"),
        "{notes:?}"
    );
    let error =
        schema.read(&[input("o.csv", "city,price\nOslo,1\n")], Layout::default()).unwrap_err().to_string();
    assert!(error.contains("it lacks columns of the training data: `area`, `garden`, `sold`"), "{error}");
    let back: Schema = serde_json::from_str(&serde_json::to_string(&schema).unwrap()).unwrap();
    assert_eq!(back, schema);
    assert_eq!(back.check(), Ok(()));
}

#[test]
fn rows_to_predict_need_no_label_and_keep_their_order() {
    let Fitted { schema, data, .. } = fitted(&houses(60));
    let unlabelled: String =
        houses(60).lines().map(|line| format!("{}\n", line.rsplit_once(',').unwrap().0)).collect();
    let files = [input("a.csv", unlabelled), input("b.csv", houses(10))];
    let mut chunks = schema.chunks(&files, Some("key"), Layout::default()).unwrap();
    let (mut ids, mut sizes) = (Vec::new(), Vec::new());
    while let Some(chunk) = chunks.next(16).unwrap() {
        sizes.push(chunk.features.rows());
        if ids.is_empty() {
            let Features::Dense(dense) = &chunk.features else { panic!("dense") };
            assert_eq!(dense.values()[..10], row(&data, 0));
        }
        ids.extend(chunk.ids);
    }
    assert_eq!(sizes, [16, 16, 16, 16, 6]);
    assert_eq!((ids[0].as_str(), ids[59].as_str(), ids[60].as_str()), ("house-0", "house-59", "house-0"));
    assert!(schema.chunks(&files, Some("nokey"), Layout::default()).is_err());
}

#[test]
fn all_columns_that_do_not_fit_are_listed_at_once_with_what_to_do() {
    let mut text = String::from("rooms,size,cost,y\n");
    for row in 0..40 {
        let rooms = if row == 7 { "oops".into() } else { format!("{row}") };
        let cost = if row == 9 { "inf".into() } else { format!("{}", row * 3 % 17) };
        text += &format!("{rooms},\"{},5\",{cost},{}\n", row * 7, row % 2);
    }
    let error = fit(&text, &ReadOptions::default()).unwrap_err();
    for part in [
        "t.csv: 3 of 4 columns do not fit:",
        "column 1 (`rooms`): 1 of 40 cells is no number (`oops` in line 9); --na oops takes them for missing, --drop rooms",
        "column 2 (`size`): 40 of 40 cells are numbers as people write them (`0,5` in line 2); --decimal , reads them",
        "column 3 (`cost`): 1 of 40 cells is infinite or beyond 1e150 (`inf` in line 11); rescale it, --drop cost",
    ] {
        assert!(error.contains(part), "{part} is missing in {error}");
    }
    let notation = Notation { na: vec!["oops".into(), "inf".into()], decimal: Some(Decimal::Comma) };
    let mended = fit(&text, &ReadOptions { notation, ..ReadOptions::default() }).unwrap();
    assert_eq!(mended.schema.features(), ["rooms", "size", "cost"]);
    let drop = vec!["rooms".into(), "2".into(), "cost".into()];
    let none = fit(&text, &ReadOptions { drop, ..ReadOptions::default() }).unwrap_err();
    assert!(none.contains("no feature is left to learn from"), "{none}");
}

#[test]
fn missing_cells_are_filled_left_out_or_told() {
    let text: String = (0..30)
        .map(|row| {
            format!("{},{},{}\n", if row % 10 == 3 { "NA".into() } else { row.to_string() }, row % 7, row % 2)
        })
        .collect();
    let with =
        |missing| fit(&format!("a,b,y\n{text}"), &ReadOptions { missing, ..ReadOptions::default() }).unwrap();
    assert_eq!(row(&with(Missing::Mean).data, 3)[0], 0.0);
    let indicator = with(Missing::Indicator);
    assert_eq!(indicator.schema.features(), ["a", "a is missing", "b"]);
    assert_eq!((row(&indicator.data, 3)[1], row(&indicator.data, 4)[1]), (1.0, 0.0));
    let dropped = with(Missing::Drop);
    assert_eq!(dropped.data.rows(), 27);
    assert!(dropped.notes.join("\n").contains("3 rows with missing cells left out"), "{:?}", dropped.notes);
    let unlabelled = fitted("a,y\n1,x\n2,\n3,NA\n4,z\n5,x\n6,z\n");
    assert_eq!((unlabelled.data.rows(), labels(&unlabelled.data).1), (4, vec!["x".into(), "z".into()]));
    assert!(unlabelled.notes.join("\n").contains("2 rows without a label left out"));
}

#[test]
fn huge_offsets_keep_their_information_and_constants_have_none() {
    // Milliseconds since 1970, a minute apart: in f32 they would all be the same.
    let text: String =
        (0..50).map(|row| format!("{},7,{}\n", 1_700_000_000_000u64 + row * 60_000, row % 2)).collect();
    let Fitted { schema, data, notes } = fitted(&format!("at,same,y\n{text}"));
    assert_eq!(schema.features(), ["at"]);
    let values: Vec<f32> = (0..50).map(|at| row(&data, at)[0]).collect();
    assert!(values.windows(2).all(|pair| (pair[1] - pair[0] - 0.0693).abs() < 1e-3), "{values:?}");
    assert!(notes.join("\n").contains("`same` is left out: it is 7 in all rows"));
    let mut schema = schema;
    let (train, held_out) = data.split(0.2, 1).unwrap();
    let (train, _) = schema.rescale(train, Some(held_out)).unwrap();
    let mean = (0..40).map(|at| f64::from(row(&train, at)[0])).sum::<f64>() / 40.0;
    assert!(mean.abs() < 1e-6, "of the training rows alone: {mean}");
    let again = schema.read(&[input("t.csv", format!("at,same,y\n{text}"))], Layout::default()).unwrap().0;
    let all: Vec<f32> = (0..50).map(|at| row(&again, at)[0]).collect();
    let trained = row(&train, 0)[0];
    assert!(all.iter().any(|x| (x - trained).abs() < 1e-5), "the kept scale is the exact one");
}

#[test]
fn the_task_is_found_and_said() {
    let column = |values: &dyn Fn(usize) -> String| {
        let rows: String = (0..60).map(|row| format!("{},{}\n", row % 11, values(row))).collect();
        fitted(&format!("x,y\n{rows}"))
    };
    let classes = |fitted: &Fitted| fitted.schema.target.classes().len();
    for (values, expected) in [
        (&(|row: usize| (row % 2).to_string()) as &dyn Fn(usize) -> String, 2),
        (&|row| (row % 5).to_string(), 5),
        (&|row| (1000 + row * 37).to_string(), 0),
        (&|row| format!("{}.5", row % 3), 0),
        (&|row| ["cat", "dog", "cow"][row % 3].to_string(), 3),
        (&|row| (row % 30).to_string(), 0),
    ] {
        let fitted = column(values);
        assert_eq!(classes(&fitted), expected, "{}", fitted.notes[0]);
    }
    assert!(
        column(&|row| (row % 5).to_string()).notes[0].contains("--task regression takes them for amounts")
    );
    let constant = fit("x,y\n1,3\n2,3\n3,3\n", &ReadOptions::default()).unwrap_err();
    assert!(
        constant.contains("label column 2 (`y`): it is 3 in all rows; --label names another column"),
        "{constant}"
    );
}

#[test]
fn names_of_classes_keep_their_bytes() {
    let latin = b"x,y\r\n1,caf\xe9\r\n2,caf\xe8\r\n3,\"a, b\"\r\n4,caf\xe9\r\n5,caf\xe8\r\n6,\"a, b\"\r\n";
    let fitted = Schema::fit(&[input("l.csv", &latin[..])], &ReadOptions::default()).unwrap();
    assert_eq!(fitted.schema.target.classes(), ["a, b", "cafè", "café"]);
    assert_eq!(labels(&fitted.data).0, [2, 1, 0, 2, 1, 0]);
    let marked = Schema::fit(
        &[input("m.csv", "\u{feff}y,x\nß,1\nss,2\nß,3\nss,4\n")],
        &ReadOptions { label: Label::Name("y".into()), ..ReadOptions::default() },
    );
    assert_eq!(marked.unwrap().schema.target.classes(), ["ss", "ß"]);
    let spelt = fitted_classes("x,y\n1,01\n2,1\n3,1.0\n4,2\n5,01\n6,2\n");
    assert_eq!(spelt, ["1", "2"], "numbers are united by value");
    assert_eq!(fitted_classes("x,y\n1,01\n2,1\n3,a\n4,01\n5,1\n6,a\n"), ["01", "1", "a"], "words are not");
}

fn fitted_classes(text: &str) -> Vec<String> {
    fitted(text).schema.target.classes().to_vec()
}

#[test]
fn tables_of_other_programs_are_read() {
    // R's row names, pandas' index, a header of years, duplicate names, a delimiter at the line's end.
    let r = fitted("height weight kind\nanna 1.7 60 a\nbert 1.8 80 b\ncarl 1.9 85 a\ndora 1.6 55 b\n");
    assert_eq!(r.schema.features(), ["height", "weight"]);
    let pandas = fitted(",a,y\n0,5,x\n1,3,z\n2,8,x\n3,1,z\n");
    assert_eq!(pandas.schema.features(), ["a"]);
    assert!(
        pandas.notes.join("\n").contains("column 1 is left out: it counts the rows"),
        "{:?}",
        pandas.notes
    );
    let years = fitted("country,2019,2020,y\nItaly,5.5,7,1\nFrance,6.5,9,0\nItaly,5,8,1\nFrance,6,9.5,0\n");
    assert_eq!(years.schema.features(), ["country=France", "country=Italy", "2019", "2020"]);
    let twice = fitted("a,a,y\n1,2,x\n2,1,z\n3,5,x\n1,3,z\n");
    assert_eq!(twice.schema.features(), ["a", "a.2"]);
    let series = fitted(",time,value\n1,1900.5,3.5\n2,1900.5,4.5\n3,1900.5,3.25\n4,1900.5,6.5\n");
    assert_eq!(series.schema.features(), ["1"], "the order of the rows, where there is nothing else");
    let codes: String = (0..40)
        .map(|row| format!("{}{},{},{}\n", row / 2, if row == 9 { "A" } else { "" }, row % 7, row % 2))
        .collect();
    assert_eq!(fitted(&format!("family,x,y\n{codes}")).schema.features().last().unwrap(), "x");
    let films: String = (0..20)
        .map(|row| {
            format!(
                "{},{},{}\n",
                if row == 3 { "Infinity".into() } else { format!("film {row}") },
                row % 7,
                row % 2
            )
        })
        .collect();
    assert_eq!(fitted(&format!("title,x,y\n{films}")).schema.features(), ["x"]);
    let trailing = fitted("a,y,\n1,x,\n2,z,\n3,x,\n4,z,\n");
    assert_eq!(trailing.schema.target.name, "y");
}

#[test]
fn several_files_are_one_table() {
    let files = [input("1.csv", "a,b,y\n1,5,x\n2,6,z\n"), input("2.csv", "y,b,a\nx,7,3\nz,8,4\n")];
    let both = Schema::fit(&files, &ReadOptions { raw: true, ..ReadOptions::default() }).unwrap();
    assert_eq!((row(&both.data, 2), labels(&both.data).0), (vec![3.0, 7.0], vec![0, 1, 0, 1]));
    let other = [files[0].clone(), input("3.csv", "a,c,y\n1,2,x\n")];
    let error = Schema::fit(&other, &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("3.csv: it lacks columns of the first file: `b`"), "{error}");
}

#[test]
fn files_that_were_joined_are_one_table() {
    let raw = ReadOptions { raw: true, label: Label::Name("y".into()), ..ReadOptions::default() };
    for delimiter in [",", ";", "\t", "  "] {
        let part = |rows: &str| format!("\u{feff}{rows}").replace(',', delimiter);
        let joined = part("y,a\nx,1\nz,2\n") + &part("y,a\nz,3\nx,4\n") + &part("\"y\",a\r\n\"x\",5\r\nz,6");
        let all = fit(&joined, &raw).unwrap();
        let values: Vec<f32> = (0..6).flat_map(|at| row(&all.data, at)).collect();
        assert_eq!(values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "{delimiter:?}");
        assert_eq!(labels(&all.data), (vec![0, 1, 1, 0, 0, 1], vec!["x".into(), "z".into()]));
        let notes = all.notes.join("\n");
        assert!(
            notes.contains("the header stands in the file 2 times more and was left out there"),
            "{notes}"
        );
    }
    let headless =
        fit("\u{feff}x,1\nz,2\n\u{feff}x,3\nz,4\n", &ReadOptions { label: Label::Position(1), ..raw })
            .unwrap();
    assert_eq!(labels(&headless.data), (vec![0, 1, 0, 1], vec!["x".into(), "z".into()]));
}

#[test]
fn words_and_numbers_as_the_user_says() {
    let text: String = (0..80).map(|row| format!("{},{},{}\n", 10_000 + row % 8, row, row % 2)).collect();
    let text = format!("zip,n,y\n{text}");
    let options =
        ReadOptions { category: vec!["zip".into()], columns: vec!["zip".into()], ..ReadOptions::default() };
    let zips = fit(&text, &options).unwrap();
    assert_eq!((zips.schema.width(), zips.schema.features()[0].as_str()), (8, "zip=10000"));
    let long: String = (0..300)
        .map(|row| format!("the {row} quick brown foxes of {},w{},{}\n", row * 7, row % 70, row % 2))
        .collect();
    let hashed = fitted(&format!("text,name,y\n{long}"));
    assert_eq!(hashed.schema.width(), 128 + 64);
    assert!(hashed.notes.join("\n").contains("the words of `text` are hashed into 128 features"));
}

#[test]
fn a_schema_that_does_not_fit_together_is_found_out() {
    let Fitted { schema, .. } = fitted(&houses(60));
    let broken = |change: &dyn Fn(&mut Schema)| {
        let mut schema = schema.clone();
        change(&mut schema);
        schema.check().unwrap_err()
    };
    let columns = |schema: &mut Schema, kind: Kind| match &mut schema.inputs {
        syncline_data::Inputs::Table { columns, .. } => columns[0].kind = kind,
        syncline_data::Inputs::Sparse { .. } => panic!("a table"),
    };
    assert!(
        broken(&|schema| columns(schema, Kind::Text { buckets: u32::MAX, words: true })).contains("buckets")
    );
    assert!(
        broken(&|schema| schema.target.kind = TargetKind::Classification { classes: vec![] })
            .contains("0 classes")
    );
    assert!(
        broken(&|schema| schema.inputs = syncline_data::Inputs::Table { columns: vec![], named: true })
            .contains("0 features")
    );
    let sparse = syncline_data::Inputs::Sparse { columns: 0, zero_based: false, scale: vec![] };
    assert!(broken(&|schema| schema.inputs = sparse.clone()).contains("0 sparse features"));
}

#[test]
fn hostile_tables_are_refused_in_bounded_memory() {
    let wide = "1,".repeat(3_000_000);
    let error = fit(&wide, &ReadOptions::default()).unwrap_err();
    assert!(
        error.contains("more than 65536 cells") || error.contains("more than a million cells"),
        "{error}"
    );
    let gz = {
        use std::io::Write;
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        (0..400).for_each(|_| gz.write_all("1,".repeat(40_000).as_bytes()).unwrap());
        gz.finish().unwrap()
    };
    assert!(gz.len() < 60_000, "{} bytes unpack to 16 million columns", gz.len());
    let error = Schema::fit(&[input("w.csv.gz", gz)], &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("more than"), "{error}");
}

#[test]
fn a_label_that_cannot_be_one_is_told_with_one_that_can() {
    let mut text = String::from("size,kind,sold\n");
    for row in 0..30 {
        text += &format!("{}.5,{},2026-01-{:02}\n", row * 7 % 11, ["a", "b"][row % 2], 1 + row % 30);
    }
    let error = fit(&text, &ReadOptions::default()).unwrap_err();
    assert!(error.contains("its cells are dates, such as `2026-01-01`"), "{error}");
    assert!(error.contains("--label names another column, such as --label kind"), "{error}");
    let error =
        fit(&text, &ReadOptions { label: Label::Name("sold".into()), ..Default::default() }).unwrap_err();
    assert!(!error.contains("such as --label"), "who names a column wants that one: {error}");
    let error = fit(&text.replacen("kind", "", 1), &ReadOptions::default()).unwrap_err();
    assert!(error.contains("such as --label size"), "a column without a name cannot be named: {error}");
}

/// The sentences about a table of 40 rows whose column `d` is as `cell` says, and how many features it has.
fn noted(cell: impl Fn(usize) -> String) -> (String, usize) {
    let rows: String = (0..40).map(|row| format!("{},{}\n", cell(row), row * row % 17)).collect();
    let fitted = fitted(&format!("d,y\n{rows}"));
    (fitted.notes.join("\n"), fitted.schema.width())
}

#[test]
fn lengths_of_time_are_numbers() {
    for cell in [
        (|row| format!("{}h {}min", row / 3, row * 7 % 60)) as fn(usize) -> String,
        |row| format!("{} days {:02}:10:00", row % 4, row % 24),
        |row| format!("PT{}M", 20 * row + 1),
        |row| format!("{} hours", row + 20),
    ] {
        let (notes, width) = noted(cell);
        assert!(notes.contains("`d` is read as a length of time") && width == 1, "{}: {notes}", cell(7));
        assert!(notes.contains("1 feature from 1 length of time"), "{notes}");
    }
    let (notes, _) = noted(|row| if row % 2 == 0 { "2D".into() } else { "3D".into() });
    assert!(!notes.contains("length of time"), "a capital letter is a code: {notes}");
}

#[test]
fn a_backslash_before_a_quotation_mark_keeps_its_cell_together() {
    let rows: String =
        (0..40).map(|row| format!("\"a \\\"b\\\", {}\",{row}.5,{}\n", row % 3, row * row % 17)).collect();
    let fitted = fitted(&format!("d,x,y\n{rows}"));
    assert_eq!(fitted.schema.width(), 4, "{:?}", fitted.notes);
}

#[test]
fn dates_are_read_as_people_and_programs_write_them() {
    let month = |row: usize| format!("{}-{:02}", 2000 + row / 12, 1 + row % 12);
    let (notes, width) = noted(month);
    assert!(notes.contains("`d` is read as year-month") && width == 5, "{notes}");
    let (notes, width) = noted(|row| format!("{}:{:02}", row / 2, row * 7 % 60));
    assert!(notes.contains("`d` is read as hour:minute") && width == 1, "{notes}");
    let (notes, _) = noted(|row| format!("{}-Jun-{:02}", 1 + row % 28, row / 2));
    assert!(notes.contains("`d` is read as day month year"), "{notes}");
    let (notes, _) =
        noted(|row| if row % 9 == 0 { "NaT".into() } else { format!("2020-01-{:02}", 1 + row % 28) });
    assert!(notes.contains("`d` is read as year-month-day"), "{notes}");
    assert!(notes.contains("5 missing cells were filled"), "a date that pandas has none for: {notes}");
}

#[test]
fn a_sign_for_nothing_among_numbers_is_a_missing_label() {
    let table = |label: fn(usize) -> String| -> String {
        (0..40)
            .map(|row| format!("{},{}\n", row * row % 17, if row % 8 == 3 { ".".into() } else { label(row) }))
            .collect()
    };
    let amounts = fitted(&format!("x,y\n{}", table(|row| format!("{row}.5"))));
    assert_eq!((amounts.data.rows(), amounts.schema.target.classes().len()), (35, 0), "{:?}", amounts.notes);
    assert!(amounts.notes.join("\n").contains("5 rows without a label"), "{:?}", amounts.notes);
    let classes = fitted(&format!("x,y\n{}", table(|row| (row % 3).to_string())));
    assert_eq!(
        (classes.data.rows(), classes.schema.target.classes()),
        (35, &["0", "1", "2"].map(String::from)[..])
    );
    let words = fitted(&format!("x,y\n{}", table(|row| ["a", "b"][row % 2].into())));
    assert_eq!(words.schema.target.classes(), [".", "a", "b"], "among words it may be one");
}

#[test]
fn what_other_programs_write_for_nothing_is_missing() {
    for nothing in ["\\N", "nil", "(null)", "n.a.", "#DIV/0!", "#REF!", "NaT"] {
        let (notes, _) = noted(|row| if row % 10 == 3 { nothing.into() } else { format!("{row}.5") });
        assert!(notes.contains("4 missing cells were filled"), "{nothing}: {notes}");
    }
    let words = fitted("d,y\nnil,1.5\nred,2\nnil,3\nred,2\n");
    assert_eq!(words.schema.features(), ["d=nil", "d=red"], "among words it is one");
}

#[test]
fn a_sheet_declares_its_delimiter_and_years_are_names() {
    let sheet = fitted("sep=^\na^b^y\n1^2^x\n3^1^z\n2^5^x\n5^5^z\n");
    assert_eq!((sheet.schema.features(), sheet.data.rows()), (vec!["a".to_owned(), "b".into()], 4));
    let rows: String =
        (0..30).map(|row| format!("{},{},{}\n", 1950 + row, 1990 - row, 1900 + row * 7 % 31)).collect();
    let years = fitted(&format!("2000,2001,2002\n{rows}"));
    assert_eq!((years.schema.target.name.as_str(), years.data.rows()), ("2002", 30));
}

#[test]
fn a_label_says_what_is_wrong_with_it_and_how_it_is_read() {
    let constant = fit("x,y\n1,2.5\n2,2.5\n3,2.5\n", &ReadOptions::default()).unwrap_err();
    assert!(constant.contains("it is 2.5 in all rows"), "{constant}");
    let money = fit("x,y\n1,\"$1,200.50\"\n2,\"$1,300.25\"\n3,$7.50\n", &ReadOptions::default()).unwrap_err();
    assert!(money.contains("such as `$1,200.50`; --decimal . reads them, --task"), "one sign only: {money}");
    let odd: String = (0..20)
        .map(|row| format!("{},{row}.5\n", if row == 3 { "it's \\ odd".into() } else { format!("{row}.25") }))
        .collect();
    let odd = fit(&format!("x,y\n{odd}"), &ReadOptions::default()).unwrap_err();
    assert!(odd.contains(r"--na 'it'\''s \ odd' takes them for missing"), "as a shell takes it: {odd}");
}
