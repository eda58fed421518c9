//! What ran in an initrd, and when: the kernel's trace of programs that begin and end.

/// A program in an initrd. Times are in milliseconds after the start of the kernel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    /// The last part of its path.
    pub(super) name: String,
    pub(super) start: f64,
    /// Where it ended, or became another program.
    pub(super) end: f64,
}

impl Run {
    pub(super) fn duration(&self) -> f64 {
        self.end - self.start
    }
}

/// A boot's programs, in the order in which they began.
pub(super) struct Trace {
    pub(super) runs: Vec<Run>,
    /// When the kernel started the initrd.
    pub(super) initrd: f64,
    /// When the initrd started the system.
    pub(super) system: f64,
}

impl Trace {
    /// Reads the lines of `/sys/kernel/tracing/trace`. `None` if they do not have the start of the initrd and of the system.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (mut running, mut runs): (Vec<(u32, Run)>, Vec<Run>) = (Vec::new(), Vec::new());
        let (mut initrd, mut system) = (None, None);
        for event in text.lines().filter_map(Event::parse) {
            let Event { time, pid, program } = event;
            // A process that runs another program, or ends, no longer runs the one before.
            if let Some(at) = running.iter().position(|(running, _)| *running == pid) {
                let (_, run) = running.swap_remove(at);
                runs.push(Run { end: time, ..run });
            }
            let Some(path) = program else { continue };
            match (pid, path) {
                (1, "/init") => initrd = Some(time),
                (1, "/sbin/init") => system = Some(time),
                _ => {}
            }
            let name = path.rsplit('/').next().unwrap_or(path).to_owned();
            running.push((pid, Run { name, start: time, end: time }));
        }
        runs.sort_by(|one, other| one.start.total_cmp(&other.start));
        Some(Self { runs, initrd: initrd?, system: system? })
    }

    /// All runs of programs whose name begins so.
    pub(super) fn of<'t>(&'t self, name: &'t str) -> impl Iterator<Item = &'t Run> {
        self.runs.iter().filter(move |run| run.name.starts_with(name))
    }

    /// How long these programs took together.
    pub(super) fn total(&self, name: &str) -> f64 {
        self.of(name).map(Run::duration).sum()
    }
}

/// A process began a program, or ended.
struct Event<'t> {
    time: f64,
    pid: u32,
    program: Option<&'t str>,
}

impl<'t> Event<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let (before, event) = line.split_once(": sched_process_")?;
        let seconds: f64 = before.rsplit(' ').next()?.parse().ok()?;
        let (kind, members) = event.split_once(": ")?;
        let member = |name: &str| Some(members.split_once(name)?.1.split(' ').next().unwrap_or_default());
        let program = match kind {
            "exec" => Some(member("filename=")?),
            "exit" => None,
            _ => return None,
        };
        let pid = member(" pid=")?.parse().ok()?;
        Some(Self { time: seconds * 1000.0, pid, program })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# tracer: nop
            init-1       [000] .....     3.500000: sched_process_exec: filename=/init pid=1 old_pid=1
           <...>-70      [000] .....     4.000000: sched_process_exec: filename=/usr/bin/ipconfig pid=70 old_pid=70
    a [strange-71      [000] .....     4.250000: sched_process_exec: filename=/usr/bin/vouchsafe-guest pid=71 old_pid=71
        ipconfig-70      [000] .....     4.500000: sched_process_exit: comm=ip config pid=70 prio=120
           <...>-71      [000] .....     5.000000: sched_process_exec: filename=/bin/sleep pid=71 old_pid=71
           sleep-71      [000] .....     5.125000: sched_process_exit: comm=sleep pid=71 prio=120
        run-init-1       [000] .....     6.000000: sched_process_exec: filename=/sbin/init pid=1 old_pid=1
";

    #[test]
    fn programs_end_where_they_exit_or_become_others() {
        let trace = Trace::parse(TEXT).unwrap();
        assert_eq!((trace.initrd, trace.system), (3500.0, 6000.0));
        let run = |name: &str, start, end| Run { name: name.to_owned(), start, end };
        let [init, ipconfig, guest, sleep] = &trace.runs[..] else { panic!("{:?}", trace.runs) };
        assert_eq!(*init, run("init", 3500.0, 6000.0));
        assert_eq!(*ipconfig, run("ipconfig", 4000.0, 4500.0));
        assert_eq!(*guest, run("vouchsafe-guest", 4250.0, 5000.0));
        assert_eq!(*sleep, run("sleep", 5000.0, 5125.0));
        assert_eq!(trace.total("ipconfig"), 500.0);
        assert!(Trace::parse("").is_none());
    }
}
