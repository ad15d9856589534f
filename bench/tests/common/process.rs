//! Processes of the program under test, seen from outside.

/// The guest is the bench's child process whose command line names a QEMU.
pub fn qemu_of(bench: u32) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").expect("procfs");
    processes.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let parent: u32 = stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()?;
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let names_qemu = String::from_utf8_lossy(&line).contains("qemu-system");
        (parent == bench && names_qemu).then_some(pid)
    })
}

pub fn kill(pid: u32, signal: &str) {
    let status = std::process::Command::new("kill").args([signal, &pid.to_string()]).status();
    assert!(status.expect("kill runs").success());
}

fn ended(pid: u32) -> bool {
    // A zombie whose parent is gone is init's to collect.
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.rsplit(')').next().is_some_and(|rest| rest.trim().starts_with('Z')),
        Err(_) => true,
    }
}

pub fn wait_ended(pid: u32) {
    for _ in 0..1000 {
        if ended(pid) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("process {pid} is still there");
}
