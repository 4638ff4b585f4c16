//! Passes on data: every real model of the zoo imports or is refused with diagnostics.

use std::path::PathBuf;

use super::compile_front_traced;

fn zoo() -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/zoo/models");
    path.is_dir().then_some(path)
}

#[test]
fn dump() {
    let Some(zoo) = zoo() else { return };
    let out = std::env::var("DUMP").unwrap_or_default();
    if out.is_empty() { return }
    let mut files: Vec<_> = std::fs::read_dir(zoo).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    for f in files {
        let name = f.file_stem().unwrap().to_str().unwrap().to_owned();
        let t = std::time::Instant::now();
        let model = match crate::onnx::read(&f) { Ok(m) => m, Err(e) => { eprintln!("{name}: READ {e}"); continue } };
        let t1 = t.elapsed();
        let (steps, result) = compile_front_traced(&model);
        let dir = format!("{out}/{name}"); std::fs::create_dir_all(&dir).unwrap();
        for (i, s) in steps.iter().enumerate() { std::fs::write(format!("{dir}/{i:02}-{}.txt", s.name), &s.text).unwrap(); }
        match result {
            Ok(g) => eprintln!("{name}: OK {} nodes, read {t1:?}, total {:?}", g.len(), t.elapsed()),
            Err(e) => { std::fs::write(format!("{dir}/error.txt"), e.to_string()).unwrap(); eprintln!("{name}: {} faults, first:\n{}", e.0.len(), e.0[0]) }
        }
    }
}

#[test]
fn cmp() {
    let Some(zoo) = zoo() else { return };
    let dir = std::env::var("CMP").unwrap_or_default();
    if dir.is_empty() { return }
    let only = std::env::var("ONLY").unwrap_or_default();
    let mut files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path()).filter(|p| p.to_str().unwrap().ends_with(".in.npy")).collect();
    files.sort();
    for f in files {
        let name = f.file_name().unwrap().to_str().unwrap().trim_end_matches(".in.npy").to_owned();
        if !only.is_empty() && !name.contains(&only) { continue }
        let path = zoo.join(format!("{name}.onnx"));
        let graph = super::compile_front(&crate::onnx::read(&path).unwrap()).unwrap();
        let x = crate::exec::npy::load(&f).unwrap();
        match crate::reference::compare::compare(&path, &graph, &[x]) {
            Err(e) => eprintln!("{name}: {e}"),
            Ok(c) => { eprintln!("{name}: vnni {} agrees {}", c.cpu.vnni, c.agrees());
                for s in &c.settings { let bad: usize = s.all().map(|d| d.differing).sum(); let n: usize = s.all().map(|d| d.elements).sum();
                    eprintln!("   {:?} judged {} differ {bad} of {n} {:?} {:?}", s.setting, s.judged, s.error, s.all().find(|d| d.differing>0).map(|d| (&d.tensor, &d.first))); } }
        }
    }
}
