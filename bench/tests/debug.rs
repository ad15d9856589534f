//! The debug kernel: what it finds comes to a verdict, and it finds nothing in the drivers' main job and a
//! race.
//!
//! It is built once, in half an hour of two CPUs; where that was not done these are ignored:
//!
//! ```sh
//! iwlbench setup --kernel debug
//! cargo nextest run --release -p iwlbench -E 'binary(debug)'
//! ```

mod common;

use common::{Bench, cache_holds, text};
use libtest_mimic::{Arguments, Failed, Trial};

/// Scenarios with the driver and the card that play them.
const CLEAN: [(&str, &str, &str); 7] = [
    ("opmode-load", "stock", "7260"),
    ("opmode-load", "stock", "6205"),
    ("opmode-load", "stock", "ax200"),
    ("opmode-load", "rust", "7260"),
    ("opmode-load", "rust", "6205"),
    ("unbind-while-modprobe-is-held", "stock", "7260"),
    ("unbind-while-modprobe-is-held", "rust", "7260"),
];

/// One mistake each, by its name, and what the kernel makes of it: the verdict's cause, and a part of its
/// sentence.
const MISTAKES: [(&str, &str, &str); 5] = [
    ("freed", "sanitizer", "a sanitizer report in mistake [faulty]"),
    ("order", "locking", "possible circular locking dependency detected"),
    ("atomic", "locking", "sleeping function called from invalid context"),
    ("timer", "sanitizer", "ODEBUG: free active"),
    ("leak", "leak", "a memory leak in mistake [faulty]"),
];

const FAULTY: &str = r#"#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timer.h>

static char *what = "";
module_param(what, charp, 0);

static DEFINE_MUTEX(one);
static DEFINE_MUTEX(other);
static DEFINE_SPINLOCK(spin);

static void rings(struct timer_list *timer)
{
}

static void both(struct mutex *first, struct mutex *second)
{
	mutex_lock(first);
	mutex_lock(second);
	mutex_unlock(second);
	mutex_unlock(first);
}

static noinline int mistake(void)
{
	if (!strcmp(what, "freed")) {
		char *gone = kmalloc(64, GFP_KERNEL);

		kfree(gone);
		pr_info("%d\n", READ_ONCE(*gone));
	} else if (!strcmp(what, "order")) {
		both(&one, &other);
		both(&other, &one);
	} else if (!strcmp(what, "atomic")) {
		spin_lock(&spin);
		mutex_lock(&one);
		mutex_unlock(&one);
		spin_unlock(&spin);
	} else if (!strcmp(what, "timer")) {
		struct timer_list *timer = kmalloc(sizeof(*timer), GFP_KERNEL);

		timer_setup(timer, rings, 0);
		mod_timer(timer, jiffies + 1000 * HZ);
		kfree(timer);
	} else if (!strcmp(what, "leak")) {
		int n;

		/* An address may be somewhere by chance. */
		for (n = 0; n < 8; n++)
			if (!kmalloc(1000, GFP_KERNEL))
				return -ENOMEM;
	}
	return 0;
}

static int __init faulty_init(void)
{
	return mistake();
}
module_init(faulty_init);
MODULE_DESCRIPTION("Mistakes");
MODULE_LICENSE("GPL");
"#;

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let built = cache_holds("debug");
    let clean = CLEAN.into_iter().map(|(scenario, driver, card)| {
        let test = format!("clean::{scenario}::{driver}::{card}");
        Trial::test(test, move || finds_nothing(scenario, driver, card))
    });
    let found = Trial::test("mistakes_come_to_a_verdict", mistakes);
    let trials = clean.chain([found]).map(|trial| trial.with_ignored_flag(!built)).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn finds_nothing(scenario: &str, driver: &str, card: &str) -> Result<(), Failed> {
    let bench = Bench::new();
    let args = ["run", scenario, "--card", card, "--driver", driver, "--kernel", "debug"];
    let output = bench.output(&args);
    bench.nothing_left();
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&said).into_owned().into())
}

/// A module that makes each, built against the debug kernel.
fn mistakes() -> Result<(), Failed> {
    let bench = Bench::new();
    let source = bench.dir.path().join("faulty");
    std::fs::create_dir(&source)?;
    std::fs::write(source.join("Kbuild"), "obj-m += faulty.o\n")?;
    std::fs::write(source.join("faulty.c"), FAULTY)?;
    let output = bench.output(&["module", "build", &source.to_string_lossy(), "--kernel", "debug"]);
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let module = source.join("faulty.ko").to_string_lossy().into_owned();
    for (mistake, cause, sentence) in MISTAKES {
        let scenario = bench.file(
            "faulty.toml",
            format!(
                "about = \"t\"\ncards = [\"7260\"]\n[[step]]\n\
                 do = {{ modprobe = [\"faulty\", \"what={mistake}\"] }}\n"
            ),
        );
        let run =
            bench.run(&[&scenario.to_string_lossy(), "--module", &module, "--kernel", "debug"]);
        let verdict = &run.only()["verdict"];
        let why = &verdict["diagnosis"];
        let as_wanted = run.outcome() == "kernel-trouble"
            && why["cause"] == cause
            && text(&why["sentence"]).contains(sentence);
        if run.code != Some(1) || !as_wanted {
            return Err(format!("{mistake}: {:?}: {verdict}", run.code).into());
        }
    }
    Ok(())
}
