// Evaluates Sigma rules over events with rsigma, and prints CPU seconds and hits.
//
//   rsigma-bench ROUNDS HITS EVENTS RULES...
//
// EVENTS has a JSON object a line. HITS gets a line for each hit: the number of the event and the
// rule's ID. Reading a line as JSON is part of what is measured.
use std::{env, fs, io::Write, path::Path};

use rsigma_eval::{Engine, JsonEvent};
use rsigma_parser::{SigmaRule, parse_sigma_yaml};

fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn read(path: &Path, rules: &mut Vec<SigmaRule>, refused: &mut usize) {
    if path.is_dir() {
        let mut names: Vec<_> = fs::read_dir(path).unwrap().map(|e| e.unwrap().path()).collect();
        names.sort();
        for name in names {
            read(&name, rules, refused);
        }
    } else if path.extension().is_some_and(|e| e == "yml") {
        match parse_sigma_yaml(&fs::read_to_string(path).unwrap()) {
            Ok(collection) => rules.extend(collection.rules),
            Err(_) => *refused += 1,
        }
    }
}

fn main() {
    let args: Vec<String> = env::args().collect();
    let rounds: usize = args[1].parse().unwrap();
    let mut engine = Engine::new();
    let (mut rules, mut refused) = (Vec::new(), 0);
    for path in &args[4..] {
        read(Path::new(path), &mut rules, &mut refused);
    }
    refused += engine.add_rules(&rules).len();
    let text = fs::read_to_string(&args[3]).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut out = std::io::BufWriter::new(fs::File::create(&args[2]).unwrap());
    let (mut least, mut hits) = (f64::MAX, 0);
    for round in 0..rounds {
        let began = cpu();
        hits = 0;
        for (n, line) in lines.iter().enumerate() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            for hit in engine.evaluate(&JsonEvent::borrow(&value)) {
                hits += 1;
                if round == 0 {
                    writeln!(out, "{} {}", n, hit.header.rule_id.as_deref().unwrap_or("")).unwrap();
                }
            }
        }
        if round > 0 || rounds == 1 {
            least = least.min(cpu() - began);
        }
    }
    println!(
        "rsigma: {} rules, {} refused, {} events, {} hits, {:.0} events/s of CPU",
        engine.rule_count(), refused, lines.len(), hits, lines.len() as f64 / least
    );
}
