//! Pushes a second through the machine: a push, and the request for the next round.
//!
//!     cargo bench -p syncline-round --bench gate [-- MILLIONS_OF_PUSHES POLICY WORKERS]

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::time::Instant;

use syncline_round::{Act, Error, Event, Machine, Member, Round, Time};

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let number = |at: usize| arguments.get(at).and_then(|argument| argument.parse::<u64>().ok());
    let (millions, one) = (number(0).unwrap_or(20), arguments.get(1));
    for policy in ["bsp", "asp", "ssp:3", "backup:1", "quorum:2"] {
        for members in [2, 16, 128, 1024] {
            let is_asked = one.is_none_or(|one| one == policy);
            if !is_asked || number(2).is_some_and(|asked| asked != u64::from(members)) {
                continue;
            }
            let speed = speed(policy, members, millions * 1_000_000)?;
            println!("{policy:<12}{members:>6} workers{:>9.1} M pushes/s", speed / 1e6);
        }
    }
    Ok(())
}

/// Of members who give in an order drawn at random.
fn speed(policy: &str, members: u32, pushes: u64) -> Result<f64, Error> {
    let mut machine = Machine::new(policy.parse()?, members as usize)?;
    let (mut acts, mut working) = (Vec::new(), Vec::new());
    for index in 0..members {
        machine.on(Time::START, Event::Ask(Member::new(index)), &mut acts)?;
    }
    start(&mut acts, &mut working);
    let begun = Instant::now();
    let mut random = 1u64;
    for _ in 0..pushes {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (member, round) = working.swap_remove((random >> 33) as usize % working.len());
        machine.on(Time::START, Event::Give { member, round }, &mut acts)?;
        machine.on(Time::START, Event::Ask(member), &mut acts)?;
        start(&mut acts, &mut working);
    }
    Ok(pushes as f64 / begun.elapsed().as_secs_f64())
}

fn start(acts: &mut Vec<Act>, working: &mut Vec<(Member, Round)>) {
    for act in acts.drain(..) {
        if let Act::Go { member, round } = act {
            working.push((member, round));
        }
    }
}
