#!/usr/bin/env bash
# Pairs of Rust's log crate, log::error!(order = 17; "payment failed"), are written by none of fern, simplelog, stderrlog and log4rs's JSON: the library hands them over, and the logger leaves them out without a word.
# The pattern {K} of log4rs writes "{ERROR: The log_kv feature is required …}" into each line instead, whatever its level.
# Seen with log 0.4, fern 0.7, simplelog 0.12, stderrlog 0.6, log4rs 1. Such fields never arrive: put values into the message, or use a logger that writes them (env_logger with kv, structured-logger).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.1.0"
edition = "2021"
[profile.dev]
debug = 0
[dependencies]
log = { version = "0.4", features = ["kv"] }
fern = "0.7"
simplelog = "0.12"
stderrlog = "0.6"
log4rs = { version = "1", features = ["json_encoder"] }
TOML
cat >src/main.rs <<'RUST'
use log4rs::encode::{json::JsonEncoder, pattern::PatternEncoder, Encode};
fn rs(encoder: Box<dyn Encode>) {
    use log4rs::{append::console::ConsoleAppender, config::*};
    let out = ConsoleAppender::builder().encoder(encoder).build();
    let config = Config::builder().appender(Appender::builder().build("o", Box::new(out)));
    let root = Root::builder().appender("o").build(log::LevelFilter::Info);
    log4rs::init_config(config.build(root).unwrap()).unwrap();
}
fn main() {
    match std::env::args().nth(1).unwrap().as_str() {
        "fern" => fern::Dispatch::new().chain(std::io::stdout()).apply().unwrap(),
        "simplelog" => simplelog::WriteLogger::init(log::LevelFilter::Info,
            simplelog::Config::default(), std::io::stdout()).unwrap(),
        "stderrlog" => stderrlog::new().verbosity(4).init().unwrap(),
        "log4rs-json" => rs(Box::new(JsonEncoder::new())),
        _ => rs(Box::new(PatternEncoder::new("{l} {K} {m}{n}"))),
    }
    log::error!(order = 17; "payment failed");
}
RUST
cargo build -q
for logger in fern simplelog stderrlog log4rs-json log4rs-pattern; do
  line=$(target/debug/finding $logger 2>&1)
  echo "$logger: $line"
  case $line in
  *order*) echo "CHANGED: $logger writes the pair"; exit 1 ;;
  *'payment failed'*) ;;
  *) echo "CHANGED: $logger writes something else"; exit 1 ;;
  esac
done
case $line in *'{ERROR: The log_kv feature is required'*) ;; *) echo "CHANGED: {K} of log4rs"; exit 1 ;; esac
