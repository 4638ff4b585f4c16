//! Rules that no compiler checks: layering, RTL conventions, links, and tables that have to agree with each other.
#![allow(missing_docs, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use onnx2chip::diag::CODES;
use onnx2chip::emit::{self, MemFormat};

/// Which top modules may be named in which, tests aside. A module may name itself; `cli` and the pipeline in `lib.rs` may name all.
const LAYERS: &[(&str, &[&str])] = &[
    ("diag", &[]),
    ("onnx", &["diag"]),
    // The float stage's operators stand in `ops`, so the graph knows them; the graph is the wider of the two.
    ("graph", &["diag", "onnx", "arith", "ops"]),
    ("arith", &["graph"]),
    ("ops", &["diag", "onnx", "arith", "graph"]),
    ("quant", &["diag", "arith", "graph"]),
    ("passes", &["diag", "onnx", "arith", "graph", "ops"]),
    ("exec", &["diag", "arith", "graph", "quant"]),
    ("reference", &["diag", "onnx", "arith", "graph", "exec"]),
    ("hw", &["diag"]),
    ("design", &["diag"]),
    ("targets", &["diag", "design"]),
    ("plan", &["diag", "arith", "graph", "quant", "hw", "design"]),
    ("search", &["diag", "graph", "quant", "design", "plan", "targets"]),
    ("emit", &["diag", "graph", "exec", "quant", "hw", "design"]),
];

/// Codes that no test provokes, with the reason.
const UNTESTED: &[(u16, &str)] = &[];

/// RTL lines wider than this are refused. 100 is the aim.
const RTL_COLUMNS: usize = 120;

/// Modules with lines beyond [`RTL_COLUMNS`], until they are wrapped.
const WIDE: &[&str] = &["o2c_accelerator", "o2c_engine", "o2c_post"];

/// Modules whose header leaves parameters out, until it is completed.
const UNDOCUMENTED: &[&str] = &["o2c_addr_gen", "o2c_post", "o2c_sequencer"];

/// Paths that the walk-throughs of docs/extending.md make.
const EXAMPLES: &[&str] = &["compiler/tests/passes/sign.txt", "compiler/passes/merge_reshape.rs"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The files of a folder and of the folders in it with one of these endings, ascending.
fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![root().join(folder)];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && name != "build" {
                    todo.push(path);
                }
            } else if endings.iter().any(|e| name.ends_with(e)) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{folder} has no {endings:?}");
    found
}

/// Everything that is wrong, at once.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn check(&mut self, good: bool, fault: impl FnOnce() -> String) {
        if !good {
            self.0.push(fault());
        }
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        assert!(self.0.is_empty() || std::thread::panicking(), "{}", self.0.join("\n"));
    }
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

/// Rust source without comments and without the items at the margin that stand below `#[cfg(test)]`.
fn code(source: &str) -> String {
    let mut out = String::new();
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        if line == "#[cfg(test)]" {
            if lines.next().is_some_and(|item| item.ends_with('{')) {
                lines.by_ref().find(|l| *l == "}");
            }
            continue;
        }
        out.push_str(line.split("//").next().unwrap_or_default());
        out.push('\n');
    }
    out
}

fn is_test(path: &Path) -> bool {
    relative(path).split('/').any(|part| part == "tests" || part == "tests.rs" || part == "oracle")
}

/// The names after `crate::`, also in `use crate::{a, b::c}`.
fn named(source: &str) -> BTreeSet<String> {
    let ident = |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for (at, _) in source.match_indices("crate::") {
        let rest = &source[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut start = 0;
            for (i, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    ',' | '}' if depth == 0 => {
                        found.insert(ident(group[start..i].trim()));
                        start = i + 1;
                        if c == '}' {
                            break;
                        }
                    }
                    '}' => depth -= 1,
                    _ => {}
                }
            }
        } else {
            found.insert(ident(rest));
        }
    }
    found.remove("");
    found
}

#[test]
fn layers() {
    let mut faults = Faults::default();
    let allowed: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let mut used: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for path in files("compiler", &[".rs"]) {
        let name = relative(&path);
        if is_test(&path) || name.starts_with("compiler/onnx/proto/") {
            continue;
        }
        let module = name.split('/').nth(1).unwrap().trim_end_matches(".rs");
        if ["lib", "main", "cli"].contains(&module) {
            continue;
        }
        let (&module, may) = allowed
            .get_key_value(module)
            .unwrap_or_else(|| panic!("{name}: {module} is not in the table of layers"));
        for other in named(&code(&read(&path))) {
            if other != module {
                faults.check(may.contains(&other.as_str()), || {
                    format!("{name}: {module} may not name {other}")
                });
                used.entry(module).or_default().insert(other);
            }
        }
    }
    for (module, may) in LAYERS {
        for other in *may {
            let used = used.get(module).is_some_and(|u| u.contains(*other));
            faults.check(used, || {
                format!("the table of layers lets {module} name {other}, which it does not: remove it")
            });
        }
    }
}

/// The table in the documentation is the one above.
#[test]
fn layers_are_documented() {
    let mut faults = Faults::default();
    let page = read(&root().join("docs/architecture.md"));
    for (module, may) in LAYERS {
        let row =
            format!("| `{module}` | {} |", if may.is_empty() { "nothing".into() } else { may.join(", ") });
        faults.check(page.contains(&row), || format!("docs/architecture.md lacks the row {row}"));
    }
}

/// Templates hold structure: instances, tables, scripts. `tb.v` is a testbench top: its one initial block finishes.
#[test]
fn templates_hold_no_behaviour() {
    let mut faults = Faults::default();
    for path in files("templates", &[".v"]) {
        let name = relative(&path);
        let generated_registers = name.ends_with("o2c_axil_regs.v");
        for (i, line) in read(&path).lines().enumerate() {
            let text = line.split("//").next().unwrap_or_default();
            let words: Vec<&str> =
                text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').collect();
            let banned: &[&str] = if generated_registers {
                &["always_ff", "always_comb", "function", "task"]
            } else {
                &["always", "always_ff", "always_comb", "assign", "function", "task"]
            };
            let found = words.iter().find(|w| banned.contains(w));
            faults.check(found.is_none(), || format!("{name}:{}: `{}` in a template", i + 1, found.unwrap()));
            // Arithmetic on values; ranges like [32-1:0] and the templates' own expressions stand aside.
            let plain: String = strip(text, "<{", "}>");
            let plain = strip(&strip(&plain, "<%", "%>"), "[", "]");
            faults.check(name.ends_with("tb.v") || !plain.contains(['+', '*']), || {
                format!("{name}:{}: arithmetic in a template: {line}", i + 1)
            });
        }
    }
}

/// A text without the parts between two markers.
fn strip(text: &str, open: &str, close: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(open) {
        out.push_str(before);
        rest = after.split_once(close).map_or("", |(_, r)| r);
    }
    out + rest
}

#[test]
fn rtl_conventions() {
    let mut faults = Faults::default();
    let lint = read(&root().join("testbench/lint.txt"));
    let linted: BTreeSet<&str> = lint.lines().filter_map(|l| l.split('|').next()).map(str::trim).collect();
    for path in files("rtl", &[".v"]) {
        let name = relative(&path);
        let text = read(&path);
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let lines: Vec<&str> = text.lines().collect();
        faults.check(lines.first() == Some(&"`default_nettype none"), || format!("{name}: first line"));
        faults.check(lines.last() == Some(&"`default_nettype wire"), || format!("{name}: last line"));
        faults.check(lines.get(1).is_some_and(|l| l.starts_with("// ")), || {
            format!("{name}: a header follows the first line")
        });
        let modules: Vec<&str> = lines
            .iter()
            .filter_map(|l| l.strip_prefix("module "))
            .map(|l| l.split([' ', '(', '#']).next().unwrap())
            .collect();
        faults.check(modules == [stem.as_str()], || format!("{name}: one module, named as the file"));
        let header: String =
            lines.iter().take_while(|l| !l.starts_with("module ")).copied().collect::<Vec<_>>().join("\n");
        // These headers refer to the units whose parameters they hand on.
        let hands_on = ["o2c_accelerator", "o2c_engine", "o2c_axil_regs"].contains(&stem.as_str());
        let missing: Vec<String> =
            parameters(&text).into_iter().filter(|p| !hands_on && !documented(&header, p)).collect();
        excuse(&mut faults, UNDOCUMENTED, &stem, missing.is_empty(), || {
            format!("not in the header: {missing:?}")
        });
        let wide = lines.iter().position(|l| l.chars().count() > RTL_COLUMNS);
        excuse(&mut faults, WIDE, &stem, wide.is_none(), || {
            format!("line {:?} is too wide", wide.map(|l| l + 1))
        });
        let linted = linted.contains(stem.as_str());
        faults.check(linted, || format!("{name}: testbench/lint.txt has no line for it"));
        for (i, line) in lines.iter().enumerate() {
            let place = || format!("{name}:{}: {line}", i + 1);
            faults.check(!line.contains('\t') && !line.ends_with(' '), place);
            faults.check(!line.contains("casex") && !line.contains("defparam"), place);
        }
    }
}

/// A rule that some modules are excused from; an excuse that is not needed is a fault as well.
fn excuse(faults: &mut Faults, excused: &[&str], module: &str, good: bool, fault: impl FnOnce() -> String) {
    let listed = excused.contains(&module);
    faults.check(good || listed, || format!("rtl/{module}.v: {}", fault()));
    faults.check(!good || !listed, || {
        format!("rtl/{module}.v is excused from a rule that it keeps: remove it")
    });
}

/// Whether a header names a parameter: itself, or a family like `IN_*`.
fn documented(header: &str, name: &str) -> bool {
    let words: BTreeSet<&str> =
        header.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '*').collect();
    words
        .iter()
        .any(|w| *w == name || w.strip_suffix('*').is_some_and(|p| p.len() > 1 && name.starts_with(p)))
}

/// The names of a module's parameters in its header, localparams aside.
fn parameters(verilog: &str) -> Vec<String> {
    let Some((_, rest)) = verilog.split_once("\nmodule ") else { return Vec::new() };
    let Some((_, rest)) = rest.split_once("#(") else { return Vec::new() };
    rest.lines()
        .skip(1)
        .take_while(|l| !l.starts_with(')'))
        .filter_map(|l| l.trim().strip_prefix("parameter "))
        .filter_map(|l| l.split('=').next()?.split_whitespace().last().map(str::to_owned))
        .collect()
}

/// What the planner sets is what the accelerator takes: none missing, none unknown, none twice.
#[test]
fn accelerator_parameters() {
    let source = onnx2chip::load(&root().join("models/mnist_lenet_int8_qdq.onnx")).unwrap();
    let options = onnx2chip::Options {
        external: None,
        array: [1, 1, 2],
        macs: None,
        lanes: None,
        stream_bits: onnx2chip::DEFAULT_STREAM_BITS,
        target: onnx2chip::targets::find("generic").unwrap(),
        multipliers: onnx2chip::plan::Wish::Target(onnx2chip::design::Multipliers::Infer),
        name: None,
        rescale: onnx2chip::quant::RescaleMode::Proved,
        heads: onnx2chip::Heads::Hardware,
    };
    let compiled = onnx2chip::compile(source, &options).unwrap();
    let design = &compiled.design;
    let rtl = parameters(&read(&root().join("rtl/o2c_accelerator.v")));
    let set: Vec<&str> =
        design.params.iter().map(|p| p.name).chain(design.memories.iter().map(|m| m.param)).collect();
    let unique: BTreeSet<&str> = set.iter().copied().collect();
    assert_eq!(unique.len(), set.len(), "a parameter is set twice: {set:?}");
    for name in &set {
        assert!(rtl.iter().any(|p| p == name), "rtl/o2c_accelerator.v has no parameter {name}");
    }
    for name in &rtl {
        let tables = ["WEIGHT_INIT", "TABLE_A_INIT", "TABLE_B_INIT", "HEAD_INIT"].contains(&name.as_str());
        // Set where there is external memory.
        let external = ["EXT", "ADDR_W", "BUS_W", "BURST", "OUTSTANDING", "NCMDS", "CMD_INIT"];
        assert!(
            set.contains(&name.as_str()) || tables || external.contains(&name.as_str()),
            "the planner does not set {name}"
        );
    }
    // Every library file of the design is in rtl/, and every file of rtl/ is in the design.
    let have: BTreeSet<String> =
        files("rtl", &[".v"]).iter().map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect();
    let uses: BTreeSet<String> = design.rtl_files.iter().map(|f| (*f).to_string()).collect();
    assert_eq!(have, uses, "rtl/ and the files that a design uses");
    let inputs = emit::random_inputs(&compiled.source.graph, 1, 1).unwrap();
    let files = onnx2chip::hand_off(&compiled, &inputs, &[MemFormat::Hex]).unwrap();
    assert!(have.iter().all(|f| files.get(&format!("rtl/{f}")).is_some()));
}

/// Each dependency stands below a comment that says what it is for.
#[test]
fn dependencies_have_reasons() {
    let mut faults = Faults::default();
    let mut section = String::new();
    let mut reason = false;
    for line in read(&root().join("Cargo.toml")).lines() {
        if line.starts_with('[') {
            section = line.to_owned();
            reason = false;
        } else if line.starts_with('#') {
            reason = true;
        } else if line.is_empty() {
            reason = false;
        } else if section.contains("dependencies]") {
            faults.check(reason, || format!("Cargo.toml: no reason above {line}"));
        }
    }
}

/// Links and anchors of the documentation lead somewhere.
#[test]
fn links() {
    let mut faults = Faults::default();
    let mut pages = files("docs", &[".md"]);
    pages.extend([root().join("README.md"), root().join("models/README.md")]);
    for page in pages {
        let text = read(&page);
        let mut fenced = false;
        for (i, line) in text.lines().enumerate() {
            fenced ^= line.starts_with("```");
            if fenced {
                continue;
            }
            for part in line.split("](").skip(1) {
                let target = part.split(')').next().unwrap_or_default();
                if target.starts_with("http") {
                    continue;
                }
                let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
                let path = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
                let place = format!("{}:{}", relative(&page), i + 1);
                faults.check(path.exists(), || format!("{place}: {target} does not exist"));
                let found = anchor.is_empty() || anchors(&read(&path)).contains(anchor);
                faults.check(found, || format!("{place}: {file} has no heading #{anchor}"));
            }
        }
    }
}

/// The anchors that GitHub gives to headings.
fn anchors(page: &str) -> BTreeSet<String> {
    page.lines()
        .filter(|l| l.starts_with('#'))
        .map(|l| l.trim_start_matches('#').trim().to_lowercase())
        .map(|l| {
            l.chars()
                .filter(|c| c.is_alphanumeric() || "-_ ".contains(*c))
                .collect::<String>()
                .replace(' ', "-")
        })
        .collect()
}

/// Paths of this repository that comments and pages name exist.
#[test]
fn named_paths_exist() {
    let mut faults = Faults::default();
    let folders = ["compiler/", "rtl/", "testbench/", "templates/", "docs/", "models/"];
    let mut sources = files("compiler", &[".rs"]);
    sources.extend(files("docs", &[".md"]));
    sources.extend(files("rtl", &[".v"]));
    sources.extend(files("testbench", &[".v", ".h", ".cpp", ".sh"]));
    sources.push(root().join("README.md"));
    let this = root().join("compiler/tests/tidy.rs");
    for source in sources.into_iter().filter(|s| *s != this) {
        let is_rust = source.extension().is_some_and(|e| e == "rs");
        for (i, line) in read(&source).lines().enumerate() {
            if is_rust && !line.trim_start().starts_with("//") {
                continue;
            }
            for quoted in line.split('`').skip(1).step_by(2) {
                let path = quoted.split([' ', '#', ':']).next().unwrap_or_default();
                let ours = folders.iter().any(|f| path.starts_with(f))
                    && !path.contains(['*', '<', '{', '$'])
                    && !path.contains("NAME");
                let place = format!("{}:{}", relative(&source), i + 1);
                faults.check(!ours || root().join(path).exists() || EXAMPLES.contains(&path), || {
                    format!("{place}: `{path}` does not exist")
                });
            }
        }
    }
}

/// Every code of the table is given somewhere, every code given is in the table, and each has a test that provokes it.
#[test]
fn codes_are_used_and_tested() {
    let mut faults = Faults::default();
    let mut given: BTreeMap<String, usize> = BTreeMap::new();
    let mut tests = String::new();
    for path in files("compiler", &[".rs", ".txt"]) {
        let text = read(&path);
        let product = if is_test(&path) || path.ends_with("diag.rs") { String::new() } else { code(&text) };
        for (at, _) in product.match_indices("code::") {
            let name: String = product[at + 6..]
                .chars()
                .take_while(|c| c.is_ascii_uppercase() || *c == '_' || c.is_ascii_digit())
                .collect();
            *given.entry(name).or_default() += 1;
        }
        tests += if is_test(&path) { &text } else { text.split_once("#[cfg(test)]").map_or("", |(_, t)| t) };
    }
    let table = read(&root().join("compiler/diag.rs"));
    for info in CODES {
        let number = info.code.0;
        let name = table
            .lines()
            .find(|l| l.contains(&format!(" = {number}, \"")))
            .and_then(|l| l.trim().split(' ').next())
            .unwrap_or_else(|| panic!("{} is not in compiler/diag.rs", info.code));
        faults.check(given.contains_key(name), || format!("{} {name} is never given", info.code));
        let rendered = format!("error[{}]", info.code);
        let tested = tests.contains(&rendered)
            || tests.contains(&info.code.to_string())
            || tests.contains(&format!("code::{name}"));
        let excused = UNTESTED.iter().any(|(n, _)| *n == number);
        faults.check(tested != excused, || {
            format!("{} {name}: tested {tested}, listed as untested {excused}", info.code)
        });
    }
}
