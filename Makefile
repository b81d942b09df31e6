# What a developer calls. The scripts install what they need.

.PHONY: test lint doc clean

# Everything: format, lints, documentation, licences, all tests of all builds, the demo.
test:
	scripts/install-tools
	scripts/test --lint

lint:
	scripts/install-tools
	scripts/lint

doc:
	cargo doc --workspace --all-features --no-deps

clean:
	[ ! -d "$${CARGO_TARGET_DIR:-target}/services" ] || scripts/services remove
	cargo clean
