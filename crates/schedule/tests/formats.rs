//! Traces of other systems, as they write them.
#![allow(clippy::unwrap_used, reason = "a failing helper fails the test")]

mod written;

use std::collections::BTreeMap;

use syncline_schedule::{
    Cluster, Machine, PolicyName, Resources,
    compare::Comparison,
    study::{Jobs, Study},
    trace::{self, Format},
};
use written::file;

fn error(name: &str, text: &str, format: Format) -> String {
    trace::read(&file(name, text), format).unwrap_err().to_string()
}

#[test]
fn the_standard_workload_format() {
    let text = "; Computer: a cluster in Qu\u{e9}bec\n; MaxProcs: 8\n\n\
        1 100 5 60 4 -1 -1 4 90 -1 1 7 1 -1 1 -1 -1 -1\n\
        2 130 0 0 -1 -1 -1 2 -1 -1 5 8 1 -1 1 -1 -1 -1\n\
        3 140 -1 -1 -1 -1 -1 2 600 -1 5 8 1 -1 1 -1 -1 -1\n\
        4 150 3 10 -1 -1 -1 -1 600 -1 1 8 1 -1 1 -1 -1 -1\n";
    let swf = trace::read(&file("a.swf", text), Format::Swf).unwrap();
    assert_eq!(swf.left_out, BTreeMap::from([("had no processor", 1), ("never began", 1)]));
    let told: Vec<_> =
        swf.jobs.iter().map(|job| (job.arrival, job.workers.min, job.shortest(), job.estimate)).collect();
    assert_eq!(told, [(0.0, 4, 60.0, Some(90.0)), (30.0, 2, 1.0, None)]);
    assert!(error("short.swf", "1 2 3\n", Format::Swf).contains(":1: line: 3 numbers"));
    let wrong = "1 100 5 x 4 -1 -1 4 90 -1 1 7 1 -1 1 -1 -1 -1\n";
    assert!(error("word.swf", wrong, Format::Swf).contains(":1: field 4: `x` is not a number"));
    assert!(
        error("none.swf", "; nothing\n", Format::Swf).ends_with("none.swf: it has no job that can be taken")
    );
}

#[test]
fn helios_counts_gpus_and_shares_the_cores() {
    let text = "job_id,user,vc,gpu_num,cpu_num,node_num,state,submit_time,start_time,end_time,duration,queue\n\
        5,u1,vcA,4,16,1,FAILED,2020-06-09 18:41:27,2020-06-09 18:41:27,2020-06-09 18:45:36,249,0\n\
        4,u1,vcB,0,8,1,COMPLETED,2020-06-09 18:41:01,2020-06-09 18:41:01,2020-06-10 04:55:09,36848,0\n\
        6,u1,vcB,1,1,1,CANCELLED,2020-06-09 18:42:01,,,,\n";
    let helios = trace::read(&file("helios.csv", text), Format::Helios).unwrap();
    assert_eq!(helios.left_out, BTreeMap::from([("never began", 1)]));
    let [cpu, gpu] = &helios.jobs[..] else { panic!("{}", helios.jobs.len()) };
    assert_eq!((cpu.arrival, cpu.workers.min, cpu.worker), (0.0, 1, Resources::new(0.0, 8.0, 0.0, 0.0)));
    assert_eq!((gpu.arrival, gpu.workers.min, gpu.worker), (26.0, 4, Resources::new(1.0, 4.0, 0.0, 0.0)));
    assert_eq!((gpu.shortest(), gpu.group.as_str()), (249.0, "vcA"));
}

/// Where machines are a number of GPUs, cores are not counted, and who asks for cores alone is left out, which is said.
#[test]
fn a_cluster_counts_what_it_has() {
    let text = "job_id,gpu_num,cpu_num,submit_time,duration\n\
        1,2,16,2020-06-09 18:41:27,100\n2,0,8,2020-06-09 18:41:27,100\n";
    let path = file("cores.csv", text);
    let study = Study {
        jobs: Jobs::Trace { path: path.to_path_buf(), format: Format::Helios, throughputs: None },
        cluster: Some("1x2".into()),
        ..Study::default()
    };
    let experiment = study.experiment().unwrap();
    assert_eq!(
        experiment.remarks,
        ["jobs left out of the trace because they ask for nothing that the machines have: 1"]
    );
    let comparison =
        Comparison { policies: &[PolicyName::Fifo], seeds: 1..=1, stopwatch: None, before_run: &|_| {} };
    let result = comparison.run(&experiment).unwrap();
    assert_eq!(result[0].summary.mean_jct, Some(100.0));
}

#[test]
fn tasks_of_2020_ask_for_parts_of_gpus() {
    let text = "a,ps,1.0,Terminated,100.0,160.0,600.0,29.296875,,\n\
        a,worker,2.0,Terminated,110.0,150.0,400.0,29.296875,50.0,MISC\n\
        b,tensorflow,1.0,Waiting,,,600.0,29.0,50.0,MISC\n\
        c,tensorflow,1.0,Running,120.0,,600.0,29.0,50.0,MISC\n";
    let pai = trace::read(&file("tasks.csv", text), Format::Pai2020).unwrap();
    assert_eq!(pai.left_out, BTreeMap::from([("had not ended", 1), ("never began", 1)]));
    let [ps, worker] = &pai.jobs[..] else { panic!("{}", pai.jobs.len()) };
    assert_eq!((ps.name.as_str(), ps.worker), ("a/ps", Resources::new(0.0, 6.0, 29.296875, 0.0)));
    assert_eq!((worker.arrival, worker.workers.min, worker.shortest()), (10.0, 2, 40.0));
    assert_eq!(worker.worker, Resources::new(0.5, 4.0, 29.296875, 0.0));
    let header =
        "job_name,task_name,inst_num,status,start_time,end_time,plan_cpu,plan_mem,plan_gpu,gpu_type\n";
    let with = trace::read(&file("header.csv", &format!("{header}{text}")), Format::Pai2020).unwrap();
    assert_eq!(with, pai);
    assert!(error("narrow.csv", "a,b,c\n", Format::Pai2020).contains("3 cells for 10 columns"));
}

#[test]
fn pods_of_2023_share_gpus_and_name_their_types() {
    let text = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time\n\
        p0,6000,1907.34863281250,1,460,,LS,Running,1000,1100,1010\n\
        p1,88000,0,8,1000,V100M16|V100M32,Burstable,Succeeded,1020,1030,1020\n\
        p2,8000,0,1,320,,BE,Pending,1040,1050,\n";
    let pods = trace::read(&file("pods.csv", text), Format::Pai2023).unwrap();
    assert_eq!(pods.left_out, BTreeMap::from([("never began", 1)]));
    assert_eq!(pods.jobs[0].worker, Resources::new(0.46, 6.0, 2.0, 0.0));
    assert_eq!((pods.jobs[0].arrival, pods.jobs[0].shortest()), (0.0, 90.0));
    assert_eq!(pods.jobs[1].worker, Resources::new(8.0, 88.0, 0.0, 0.0));
    assert!(pods.jobs[1].needs["device"].holds("V100M32"));

    // Where a cluster names no types of devices, none can be asked for; where it does, it must have one of them.
    let plain = Cluster::from_counts("2x8").unwrap();
    assert!(pods.clone().counted_by(&plain).unwrap().jobs[1].needs.is_empty());
    let other = Cluster::new(vec![Machine::new(Resources::gpus(8.0))], vec!["T4".into()], 1.0).unwrap();
    let pods_on = |cluster: &Cluster| pods.clone().counted_by(cluster).unwrap().that_fits(cluster);
    let jobs = pods.clone().counted_by(&other).unwrap().jobs;
    assert!(other.admits(&jobs[0]).is_ok() && other.admits(&jobs[1]).is_err());
    // Who then fits nowhere is left out, unless nobody fits.
    let fitting = pods_on(&other).unwrap();
    assert_eq!((fitting.jobs.len(), fitting.left_out["fit no machines that there are"]), (1, 1));
    let small = Cluster::new(vec![Machine::new(Resources::gpus(0.25))], vec!["T4".into()], 1.0).unwrap();
    assert!(pods_on(&small).unwrap_err().to_string().contains("one worker needs 0.46 of gpu"));
}

/// Archives pack their traces; spreadsheets have other dividers and codes; rows end too soon.
#[test]
fn files_as_they_come() {
    let plain = "job_id,num_gpu,submit_time,duration\n0,1,0,10\n1,2,5,100\n";
    let path = file("packed.csv", plain);
    let wanted = trace::read(&path, Format::Tiresias).unwrap();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packer, plain.as_bytes()).unwrap();
    let packed = packer.finish().unwrap();
    std::fs::write(&path, &packed).unwrap();
    assert_eq!(trace::read(&path, Format::Tiresias).unwrap(), wanted);
    std::fs::write(&path, &packed[..packed.len() / 2]).unwrap();
    assert!(trace::read(&path, Format::Tiresias).unwrap_err().to_string().contains("packed.csv: reading: "));
    let wide: Vec<u8> =
        std::iter::once(0xfeff).chain(plain.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    for (bytes, message) in [
        (b"PK\x03\x04rest".as_slice(), "it is a zip archive"),
        (b"\x28\xb5\x2f\xfdrest", "packed by zstd; unpack it first, or pack it by gzip"),
        (&wide, "text in UTF-16; save it as UTF-8"),
        (b"job_id;num_gpu;submit_time;duration\n0;1;0;1\n", "seem to be divided by `;`: a table has commas"),
        (b"job_id,num_gpu,submit_time,duration\n0,1,0,1\n1,1,0\n", ":3: row: 3 cells for 4 columns: job_id"),
        (
            b"job_id,num_gpu,submit_time,duration\r\n0,1,0,1\r\n1,1,0\r\n",
            ":3: row: 3 cells for 4 columns: job_id",
        ),
        (
            b"job_id,num_gpu,submit_time,duration\n0,1,0,1\n\n\n1,1,0\n",
            ":5: row: 3 cells for 4 columns: job_id",
        ),
        (b"job_id,num_gpu,submit_time,duration\n", "packed.csv: it has no job that can be taken"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = trace::read(&path, Format::Tiresias).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    let never = "7 0 5 -1 -1 -1 -1 4 200 -1 0 1 1 -1 1 -1 -1 -1\n";
    let message = error("never.swf", never, Format::Swf);
    assert!(message.contains("never.swf: it has no job that can be taken: 1 never began"), "{message}");
    assert!(error("one.swf", "7\n", Format::Swf).contains(":1: line: 1 number; the Standard"));
}

/// A clock that went back, and pods that still ran when the list was made.
#[test]
fn what_ends_before_it_begins_is_left_out() {
    let text =
        "a,w,1.0,Failed,160.0,100.0,600.0,29.0,50.0,T4\nb,w,1.0,Terminated,100.0,100.0,600.0,29.0,50.0,T4\n";
    let tasks = trace::read(&file("backwards.csv", text), Format::Pai2020).unwrap();
    assert_eq!(tasks.left_out, BTreeMap::from([("ended before they began", 1)]));
    assert_eq!((tasks.jobs.len(), tasks.jobs[0].shortest()), (1, 1.0));
    let header = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time\n";
    let text = "p,1000,1024,1,1000,,LS,Running,0,,5\nq,1000,1024,1,1000,,LS,Succeeded,0,3,5\nr,1000,1024,1,1000,,LS,Succeeded,0,9,5\n";
    let pods = trace::read(&file("open.csv", &format!("{header}{text}")), Format::Pai2023).unwrap();
    assert_eq!(pods.left_out, BTreeMap::from([("ended before they began", 1), ("had not ended", 1)]));
    assert_eq!(pods.jobs.len(), 1);
}
