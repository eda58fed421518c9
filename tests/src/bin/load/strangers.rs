//! An honest guest and an operator beside strangers, and beside an idle broker in the same run.
//!
//! The guest has an address of its own, and the broker its default limits. Each release and each retirement has a new connection. Where
//! there are two processors or more, the broker has half of them to itself; strangers, guest and operator share the others,
//! strangers with a low priority. So a ratio is what the strangers cost the broker, plus what they cost guest and
//! operator on their way to it, and errs on the high side.

#[path = "strangers/connection.rs"]
mod connection;
#[path = "strangers/crowd.rs"]
mod crowd;
#[path = "strangers/honest.rs"]
mod honest;
#[path = "strangers/processors.rs"]
mod processors;
#[path = "strangers/report.rs"]
mod report;
#[path = "strangers/worthless.rs"]
mod worthless;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Serialize;
use vouchsafe_tests::broker::Broker;
use vouchsafe_tests::fleet::{self, Kind};
use vouchsafe_tests::process::Process;

use super::POLICY;
use crowd::Crowd;
use honest::Honest;
use processors::Processors;
use report::{Part, Report, Usage};

/// An honest guest and `secret retire` beside strangers and beside an idle broker.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The honest guest's kind of evidence.
    #[arg(long, value_enum, default_value = "both")]
    kind: Kind,
    /// Seconds to measure each part.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Connections of strangers, one number for each round.
    #[arg(long, value_delimiter = ',', default_values_t = [500, 2000], value_parser = clap::value_parser!(u16).range(1..=4000))]
    connections: Vec<u16>,
    /// What strangers do; all of it, one after the other, if not given.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Strangers>,
    /// Print the numbers as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What strangers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Strangers {
    /// Evidence under live challenges whose signature is wrong: reports, and quotes with a genuine AK certificate.
    Worthless,
    /// The same with a log as large as it may be.
    Large,
    /// Requests with a live challenge, most of whose body is never sent.
    Bodies,
    /// `GET /readyz` without a pause.
    Readyz,
    /// Everything above, and connections that are never used, all from one address.
    OneAddress,
    /// Everything above, from many addresses.
    Mix,
}

/// What one connection of a stranger does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Worthless,
    Large,
    Body,
    Readyz,
    Idle,
}

impl Strangers {
    /// What the connection with this number does.
    fn act(self, number: u16) -> Act {
        let of = |acts: &[Act]| acts.get(usize::from(number) % acts.len()).copied().unwrap_or(Act::Idle);
        match self {
            Self::Worthless => Act::Worthless,
            Self::Large => Act::Large,
            Self::Bodies => Act::Body,
            Self::Readyz => Act::Readyz,
            Self::OneAddress => of(&[Act::Worthless, Act::Large, Act::Body, Act::Readyz, Act::Idle]),
            Self::Mix => of(&[Act::Worthless, Act::Large, Act::Body, Act::Readyz]),
        }
    }

    /// The address of that connection: one for all, or so many that none exceeds its share. Other ones in each part.
    fn address(self, number: u16, part: u8) -> Ipv4Addr {
        // Not in step with what the connection does: each address does all of it.
        let of = match self {
            Self::OneAddress => 0,
            _ => (number / 4 + number) % ADDRESSES,
        };
        Ipv4Addr::new(127, 1, part, u8::try_from(of + 1).unwrap_or(u8::MAX))
    }

    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Measures each part, one after the other, against one broker.
pub(crate) fn measure(arguments: &Arguments) -> anyhow::Result<Report> {
    let processors = Processors::divide()?;
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path(), &fleet::roots(), fleet::SHARES)?;
    fleet::prepare(&broker, POLICY, &arguments.kind.policy())?;
    processors.leave_the_brokers()?;
    let honest = Honest::new(&broker, arguments.kind)?;
    let window = Duration::from_secs(arguments.seconds);
    let all = Strangers::value_variants().to_vec();
    let kinds = if arguments.only.is_empty() { all } else { arguments.only.clone() };
    let mut parts = vec![part(&broker, &honest, window, None, 0)?];
    for connections in &arguments.connections {
        for strangers in &kinds {
            let number = u8::try_from(parts.len()).context("too many parts")?;
            parts.push(part(&broker, &honest, window, Some((*strangers, *connections)), number)?);
        }
        let number = u8::try_from(parts.len()).context("too many parts")?;
        parts.push(part(&broker, &honest, window, None, number)?);
    }
    Ok(Report::new(arguments.kind, processors.describe(), parts))
}

fn part(
    broker: &Broker,
    honest: &Honest,
    window: Duration,
    strangers: Option<(Strangers, u16)>,
    number: u8,
) -> anyhow::Result<Part> {
    let crowd =
        strangers.map(|(strangers, connections)| Crowd::gather(broker, strangers, connections, number));
    let crowd = crowd.transpose()?;
    let (of_broker, own) = (Process::new(broker.process_id()), Process::new(std::process::id()));
    let (broker_cpu, own_cpu, started) = (of_broker.cpu()?, own.cpu()?, Instant::now());
    let times = honest.measure(window, || of_broker.resident())?;
    let seconds = started.elapsed().as_secs_f64();
    let share = |before: Duration, after: Duration| after.saturating_sub(before).as_secs_f64() / seconds;
    let usage = Usage { broker: share(broker_cpu, of_broker.cpu()?), generator: share(own_cpu, own.cpu()?) };
    let counts = crowd.map(Crowd::end);
    Ok(Part::new(strangers, &times, usage, counts.as_deref()))
}

/// Addresses of strangers: each has at most 250 connections, less than its share.
const ADDRESSES: u16 = 16;
