//! The replay compared with RTMRs, and its cache.

use super::*;
use crate::cache::VerifyCache;
use vouchsafe_protocol::{Digest48, SharedBytes};

const ZERO: Digest48 = Digest48([0; 48]);

fn replayed(log: &EventLogBuilder) -> ReplayedCcel {
    ReplayedCcel::from_bytes(&log.bytes()).expect("accepted")
}

#[test]
fn logs_replay_to_the_rtmrs_of_their_boots() {
    for log in [ubuntu(), uki(), ubuntu().with_secure_boot(false)] {
        let replayed = replayed(&log);
        assert_eq!(replayed.rtmrs(), log.rtmrs());
        assert_eq!(replayed.check_against(&log.rtmrs()), Ok(()));
        assert_eq!(log.rtmrs()[3], ZERO);
    }
}

#[test]
fn t22_every_rtmr_has_to_equal_the_replay() {
    let replayed = replayed(&ubuntu());
    for rtmr in [0, 1, 2] {
        let mut given = ubuntu().rtmrs();
        given[rtmr].0[47] ^= 1;
        let refusal = CcelError::RtmrMismatch {
            rtmr: u8::try_from(rtmr).expect("small"),
            given: given[rtmr],
            replayed: ubuntu().rtmrs()[rtmr],
        };
        assert_eq!(replayed.check_against(&given), Err(refusal));
    }
}

#[test]
fn t22_dropped_or_added_events_do_not_fit_the_rtmrs() {
    let rtmrs = ubuntu().rtmrs();
    let mut dropped = ubuntu();
    dropped.events.remove(dropped.position_of(1, EventType::EFI_VARIABLE_AUTHORITY));
    let mut added = ubuntu();
    before_exit(&mut added, BuiltEvent::covered(3, IPL, "x"));
    for (log, rtmr) in [(dropped, 0), (added, 2)] {
        let refusal = replayed(&log).check_against(&rtmrs).expect_err("refused");
        assert!(matches!(refusal, CcelError::RtmrMismatch { rtmr: found, .. } if found == rtmr));
    }
}

#[test]
fn t26_extended_rtmr_without_events_is_refused() {
    let mut given = ubuntu().rtmrs();
    given[3] = Digest48([3; 48]);
    let refusal = CcelError::RtmrWithoutEvents { rtmr: 3 };
    assert_eq!(replayed(&ubuntu()).check_against(&given), Err(refusal));
    let mut log = ubuntu();
    log.events.retain(|event| event.pcr != 3);
    let refusal = CcelError::RtmrWithoutEvents { rtmr: 2 };
    assert_eq!(replayed(&log).check_against(&ubuntu().rtmrs()), Err(refusal));
}

#[test]
fn t26_events_for_an_rtmr_that_was_never_extended_are_refused() {
    for rtmr in [0, 1, 2] {
        let mut given = ubuntu().rtmrs();
        given[rtmr] = ZERO;
        let refusal = CcelError::EventsForZeroRtmr { rtmr: u8::try_from(rtmr).expect("small") };
        assert_eq!(replayed(&ubuntu()).check_against(&given), Err(refusal));
    }
    let refusal = replayed(&ubuntu()).check_against(&[ZERO; 4]);
    assert_eq!(refusal, Err(CcelError::EventsForZeroRtmr { rtmr: 0 }));
}

#[test]
fn a_log_is_cached_once_it_matches_the_rtmrs() {
    let cache = VerifyCache::default();
    let (bytes, rtmrs) = (ubuntu().bytes().into(), ubuntu().rtmrs());
    let refusal = cache.ccel(&bytes, &uki().rtmrs());
    assert!(matches!(refusal, Err(CcelError::RtmrMismatch { rtmr: 0, .. })));
    assert_eq!(cache.ccel_logs(), 0);
    let first = cache.ccel(&bytes, &rtmrs).expect("fits");
    let second = cache.ccel(&bytes, &rtmrs).expect("fits");
    assert!(std::sync::Arc::ptr_eq(&first, &second));
    assert_eq!((cache.ccel_logs(), cache.logs()), (1, 0));
    // Also from the cache only if the RTMRs match.
    assert!(cache.ccel(&bytes, &uki().rtmrs()).is_err());
    assert_eq!(cache.ccel(&SharedBytes::default(), &rtmrs), Err(EventLogError::Empty.into()));
}

#[test]
fn t30_cached_logs_are_bounded() {
    let cache = VerifyCache::new(4, 200_000);
    for name in 0..30 {
        let mut log = ubuntu();
        before_exit(&mut log, BuiltEvent::measuring(3, IPL, name.to_string(), "file\0"));
        cache.ccel(&log.bytes().into(), &log.rtmrs()).expect("fits");
    }
    assert!((1..10).contains(&cache.ccel_logs()), "{}", cache.ccel_logs());
}
