//! Whether KVM can run a kernel here is found out by booting it.

use super::{APPEND, Lab, initrd};
use crate::facts::accel::Accel;
use crate::facts::verdict::Outcome;
use crate::machine::accel;
use crate::machine::gates::Gates;
use crate::machine::qemu;
use crate::machine::session::{Origin, Session, Stop};
use crate::machine::speed;
use crate::record::rundir::RunDir;

impl Lab<'_> {
    pub(super) fn boots_under_kvm(
        &self,
        choice: accel::Choice,
        known: Option<&str>,
    ) -> anyhow::Result<Result<(), String>> {
        let within = speed::scaled(accel::PROOF_WITHIN);
        self.progress.note(&match known {
            None => "/dev/kvm is there: booting the kernel once to see whether it works".to_owned(),
            Some(known) => {
                let seconds = within.as_secs();
                format!("when it was last tried, {known}; it is tried again, for up to {seconds} s")
            }
        });
        let own = self.initrd.as_ref();
        let (image, append) = match own {
            Some(own) => (own.path.clone(), initrd::APPEND),
            None => (self.image(&[])?.path, APPEND),
        };
        let machine = self.machine(Accel::Kvm, &image, append);
        let temporary = qemu::Temporary::new()?;
        let dir = RunDir::create_in(temporary.path(), "kvm")?;
        let mut session = Session::start(
            &self.qemu,
            &machine,
            self.driver,
            Origin::PowerOn,
            Vec::new(),
            Gates::default(),
            &dir,
        )?;
        let booted = match own {
            Some(_) => self.comes_to_its_initrd(&mut session, within),
            None => session.boot(within).map(drop),
        };
        session.end();
        let why = match booted {
            Ok(()) => return Ok(Ok(())),
            Err(Stop::Verdict(v)) if v.outcome == Outcome::Interrupted => {
                return Err(crate::facts::failure::Interrupted.into());
            }
            Err(Stop::Verdict(v)) => {
                format!("KVM does not run this kernel: {}", first_clause(&v.line))
            }
            Err(Stop::TimedOut) => "KVM does not run this kernel".to_owned(),
        };
        // Told now, and by `list`; to whom insists on KVM as the error that it is.
        if choice == accel::Choice::Auto {
            self.progress.note(&format!("{why}; using TCG from now on"));
        }
        Ok(Err(why))
    }
}

/// Up to the first semicolon: the cause without the remedy.
fn first_clause(line: &str) -> &str {
    line.split(';').next().unwrap_or(line)
}
