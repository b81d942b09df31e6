//! Headers, byte for byte as the Python library makes them (see `tests/data/README.md`).

use osprofiler_wire::{HmacKey, HmacKeys, Id, TraceContext};
use serde_json::Value;

#[test]
fn headers_are_those_of_the_python_library() {
    let vectors = include_str!("../../../tests/data/golden/headers.jsonl");
    assert!(vectors.lines().count() > 30);
    for line in vectors.lines() {
        let vector: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| vector[key].as_str().unwrap();
        let key = HmacKey::new(text("key"));
        let context =
            TraceContext { base_id: text("base_id").into(), parent_id: text("parent_id").into() };

        let signed = key.sign(&context);
        assert_eq!(signed.info, text("X-Trace-Info"), "vector {}", vector["n"]);
        assert_eq!(signed.hmac, text("X-Trace-HMAC"), "vector {}", vector["n"]);

        let keys = HmacKeys::from_iter([HmacKey::new("another"), key]);
        let verified = keys.verify(signed.info.as_bytes(), signed.hmac.as_bytes()).unwrap();
        let not_empty = |id: &Id| (!id.to_string().is_empty()).then(|| id.clone());
        assert_eq!(verified.base_id, not_empty(&context.base_id));
        assert_eq!(verified.parent_id, not_empty(&context.parent_id));
    }
}
