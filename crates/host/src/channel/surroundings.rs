//! What a connection can't notice in time: that the computer slept, and that its network is another (W6).
//!
//! One look each 2 s does for both, the same on every system. The times and the address are passed in.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tracing::info;

use crate::ports::ToChannel;

const LOOK: Duration = Duration::from_secs(2);

/// The clock on the wall goes on in a sleep, the monotonic one does not. A connection outlives less than this.
const JUMP: SignedDuration = SignedDuration::from_secs(5);

/// Tells the channel of each wake and of each new address, until the channel has ended.
pub async fn watch(
    wall: impl Fn() -> Timestamp,
    address: impl Fn() -> Option<IpAddr>,
    channel: mpsc::UnboundedSender<ToChannel>,
) {
    let mut before = (wall(), Instant::now(), address());
    loop {
        tokio::select! {
            () = sleep(LOOK) => {}
            () = channel.closed() => return,
        }
        let now = (wall(), Instant::now(), address());
        let passed = SignedDuration::try_from(now.1 - before.1).unwrap_or(SignedDuration::MAX);
        let woke = (now.0.duration_since(before.0) - passed).abs() > JUMP;
        let moved = now.2.is_some() && now.2 != before.2;
        before = now;
        if woke || moved {
            info!(woke, moved, "Connecting to WhatsApp anew");
            let _ = channel.send(ToChannel::Wake);
        }
    }
}

/// The address that this computer would reach the internet from; `None` without a network. Asked of the system's routes:
/// nothing is sent. What comes and goes beside that way, like the bridges of containers, is no change.
pub fn address() -> Option<IpAddr> {
    let by = |own: IpAddr, far: IpAddr| {
        let socket = UdpSocket::bind((own, 0)).ok()?;
        socket.connect((far, 443)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    // Addresses for documentation lie on the way to everywhere.
    by(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into())
        .or_else(|| by(Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const HOME: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 168, 1, 5)));
    const CAFE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5)));

    #[tokio::test(start_paused = true)]
    async fn a_sleep_and_a_new_address_are_noticed_and_nothing_else() {
        // W6
        let (channel, mut told) = mpsc::unbounded_channel();
        let start = Instant::now();
        let (slept, at) = (Cell::new(0_i64), Cell::new(HOME));
        let wall = || Timestamp::UNIX_EPOCH + start.elapsed() + SignedDuration::from_millis(slept.get());
        let story = async {
            for (more_sleep, address, wakes) in [
                (0, HOME, false),
                // What a clock that is kept right is set by.
                (900, HOME, false),
                (3_600_000, HOME, true),
                (0, HOME, false),
                (-7_200_000, HOME, true),
                (0, CAFE, true),
                // There is nothing to connect by.
                (0, None, false),
                (0, None, false),
                (0, CAFE, true),
                (60_000, HOME, true),
                (0, HOME, false),
            ] {
                slept.set(slept.get() + more_sleep);
                at.set(address);
                sleep(LOOK + Duration::from_millis(10)).await;
                assert_eq!(told.try_recv().is_ok(), wakes, "{more_sleep} {address:?}");
            }
            // A month of a clock that is half a thousandth too fast is no jump.
            for _ in 0..1_000 {
                slept.set(slept.get() + 1);
                sleep(LOOK).await;
            }
            assert!(told.try_recv().is_err());
            drop(told);
        };
        tokio::join!(watch(wall, || at.get(), channel), story);
    }

    #[test]
    fn a_look_for_the_address_always_has_an_answer() {
        assert!(address().is_none_or(|own| !own.is_unspecified()));
    }
}
