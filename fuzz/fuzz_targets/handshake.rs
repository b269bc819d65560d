//! Any bytes as a client's part of the handshake: no panic, no wait, and nobody is let in.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| syncline_wire::fuzzing::handshake(data));
