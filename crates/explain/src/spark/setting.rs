//! Sizes and times as Spark's settings write them: `512m`, `4g`, `60s`, `1min`.

/// Bytes. A number without a unit is in MiB, as Spark has it for memory; `None` for what is no size.
pub fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor: u64 = match unit.as_str() {
        "b" => 1,
        "k" | "kb" => 1 << 10,
        "" | "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        "t" | "tb" => 1 << 40,
        "p" | "pb" => 1 << 50,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// Seconds. A number without a unit is in seconds; `None` for what is no time.
pub fn seconds(text: &str) -> Option<f64> {
    let (number, unit) = split(text)?;
    let factor = match unit.as_str() {
        "us" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Some(number as f64 * factor)
}

fn split(text: &str) -> Option<(u64, String)> {
    let text = text.trim();
    let unit = text.trim_start_matches(|character: char| character.is_ascii_digit());
    let number = text[..text.len() - unit.len()].parse().ok()?;
    Some((number, unit.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_spark_reads_them() {
        assert_eq!(
            [bytes("512m"), bytes("4g"), bytes("2048"), bytes("1kb")],
            [512 << 20, 4 << 30, 2 << 30, 1 << 10].map(Some)
        );
        assert_eq!([bytes("x"), bytes("4q"), bytes(""), bytes("99999999999p")], [None; 4]);
        assert_eq!(
            [seconds("60s"), seconds("2min"), seconds("5"), seconds("500ms")],
            [60.0, 120.0, 5.0, 0.5].map(Some)
        );
        assert_eq!(seconds("soon"), None);
    }
}
