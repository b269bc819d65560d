//! scratch
use syncline_predict::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let p = |n: &str| SparkLog::read(n.as_ref()).unwrap().profile().unwrap();
    for n in &a[1..] {
        let x = p(n);
        println!("{n}");
        println!("  waits {:#?}", x.barrier_waits());
        let eps = syncline_queueing::Exceedance::new(0.05).unwrap();
        for d in [Discipline::OneAtATime, Discipline::SideBySide] {
            let t = std::time::Instant::now();
            match x.largest_rate(d) {
                Ok(r) => {
                    println!("  {d:?} {r:?}");
                    println!("    {:?}", x.stream(0.8 * r.value, d, eps));
                    println!("{:?}", t.elapsed());
                }
                Err(e) => println!("  {e}"),
            }
        }
        println!("  without {:?}\n  with {:?}", x.without_barrier(), x.with_barrier());
        match x.cut(None) {
            Err(e) => println!("  {e}"),
            Ok(c) => {
                println!(
                    "  cut {} work {:.3} o {:?} job {:.3} k* {:?}",
                    c.stage,
                    c.work_s,
                    c.overhead_s,
                    c.job_s,
                    c.optimal()
                );
                for (k, m) in &c.measured {
                    let h = x.cut(Some(*k)).and_then(|c| c.job_s(*k));
                    println!(
                        "   k {k} measured {m:.3} fit {:.3} held out {:?} err {:+.1}%",
                        c.job_s(*k).unwrap().value,
                        h,
                        100.0 * (h.clone().map_or(f64::NAN, |h| h.value) / m - 1.0)
                    )
                }
            }
        }
    }
}
