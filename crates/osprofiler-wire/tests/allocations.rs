//! What headers cost in allocations. This program has a counting allocator.

use allocation_counter::measure;
use osprofiler_wire::sign::MAX_INFO_LEN;
use osprofiler_wire::w3c::{Traceparent, Tracestate};
use osprofiler_wire::{HmacKey, HmacKeys, Id, Info, SignedContext, TraceContext, VerifyError, b3};

fn signed() -> SignedContext {
    let context = TraceContext { base_id: Id::from_random(1), parent_id: Id::from_random(2) };
    HmacKey::new("key").sign(&context)
}

fn allocations(f: impl FnOnce()) -> u64 {
    measure(f).count_total
}

#[test]
fn a_refused_header_allocates_nothing() {
    let (signed, keys) = (signed(), HmacKeys::parse("another, a third"));
    let (info, hmac) = (signed.info.as_bytes(), signed.hmac.as_bytes());
    let long = vec![b'A'; MAX_INFO_LEN + 1];
    for (keys, info, hmac, refusal) in [
        (&HmacKeys::default(), info, hmac, VerifyError::NoKeys),
        (&keys, &long, hmac, VerifyError::TooLong),
        (&keys, info, hmac, VerifyError::Signature),
        (&keys, info, &hmac[1..], VerifyError::Signature),
        (&keys, info, &info[..hmac.len()], VerifyError::Signature),
        (&keys, b"", b"", VerifyError::Signature),
    ] {
        let count = allocations(|| assert_eq!(keys.verify(info, hmac).unwrap_err(), refusal));
        assert_eq!(count, 0, "{refusal:?}");
    }
}

#[test]
fn a_header_of_two_uuids_is_accepted_without_allocating() {
    let (signed, keys) = (signed(), HmacKeys::parse("another, key"));
    let count = allocations(|| {
        let verified = keys.verify(signed.info.as_bytes(), signed.hmac.as_bytes()).unwrap();
        assert_eq!(verified.base_id, Some(Id::from_random(1)));
        assert_eq!(verified.parent_id, Some(Id::from_random(2)));
    });
    assert_eq!(count, 0);
}

#[test]
fn a_signed_context_takes_its_two_texts_and_no_more() {
    let key = HmacKey::new("key");
    let context = TraceContext { base_id: Id::from_random(1), parent_id: Id::from_random(2) };
    assert_eq!(allocations(|| drop(key.sign(&context))), 2);
}

#[test]
fn a_refused_place_in_another_trace_allocates_nothing() {
    let parent = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let members = "a=1,".repeat(33);
    let count = allocations(|| {
        assert!(Traceparent::parse(parent).is_some());
        assert!(Traceparent::parse(&parent[1..]).is_none());
        assert!(Tracestate::parse([members.as_bytes()]).is_none());
        assert!(Tracestate::parse([&b"a=1,b=2"[..], b"C=3"]).is_none());
        assert!(b3::parse(&parent[3..]).is_none());
        assert!(b3::parse(&parent[3..52]).is_some());
        assert!(b3::parse_multi(|_| Some(parent)).is_none());
    });
    assert_eq!(count, 0);
}

#[test]
fn an_info_of_three_texts_takes_one_allocation() {
    let info = || {
        Info::new()
            .with("peer", "0123456789")
            .with("statement", "SELECT 1 FROM a, b, c")
            .with("description", "a text of a length that is quite usual in here")
    };
    assert_eq!(allocations(|| drop(info())), 1);
    assert_eq!(allocations(|| drop(Info::new())), 0);
}
