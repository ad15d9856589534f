//! PID 1 of the test's guest: loads a module with the image's modprobe, says
//! what came of it on the console, and powers off. Built by `boot.rs` with
//! rustc alone, static.

use std::ffi::{CStr, c_char, c_int, c_ulong, c_void};
use std::process::Command;

unsafe extern "C" {
    fn mount(
        source: *const c_char,
        target: *const c_char,
        kind: *const c_char,
        flags: c_ulong,
        data: *const c_void,
    ) -> c_int;
    fn reboot(how: c_int) -> c_int;
}

fn run(program: &str, args: &[&str]) {
    match Command::new(program).args(args).output() {
        Ok(out) => {
            let text = [out.stdout, out.stderr].concat();
            for line in String::from_utf8_lossy(&text).lines() {
                println!("guest: {program}: {line}");
            }
            println!("guest: {program} {}: {}", args.join(" "), out.status);
        }
        Err(error) => println!("guest: {program}: {error}"),
    }
}

fn mount_at(kind: &CStr, target: &CStr) {
    // SAFETY: both strings are NUL-terminated and outlive the call; these file
    // systems take no data.
    let result =
        unsafe { mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, std::ptr::null()) };
    println!("guest: mount {target:?}: {result}");
}

fn main() {
    println!("guest: init runs");
    mount_at(c"proc", c"/proc");
    mount_at(c"sysfs", c"/sys");
    run("/sbin/modprobe", &["iwlmvm"]);
    // Built in or a module, modprobe must know it.
    run("/sbin/modprobe", &["fuse"]);
    run("/sbin/modprobe", &["virtio_console"]);
    run("/sbin/modprobe", &["iwldvm"]);
    let loaded = std::fs::read_to_string("/proc/modules").unwrap_or_default();
    let names: Vec<_> = loaded.lines().filter_map(|line| line.split(' ').next()).collect();
    println!("guest: loaded: {}", names.join(" "));
    println!("guest: done");
    // SAFETY: RB_POWER_OFF of reboot(2) takes no further argument.
    unsafe { reboot(0x4321_fedc) };
}
