//! What a distributed program is and where it runs.
