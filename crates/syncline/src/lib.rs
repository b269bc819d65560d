//! Syncline: write, run, explain, predict and schedule parallel machine learning whose parts must wait for each other.
