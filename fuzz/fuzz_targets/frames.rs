//! Any bytes as frames of a connection: no panic, and no memory beyond the limits.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| syncline_wire::fuzzing::frames(data));
