//! Makes the client and the server of the stock's gRPC service, as `tonic-prost-build` would of this file;
//! that one needs `protoc`:
//!
//! ```proto
//! package shop;
//! import "google/protobuf/wrappers.proto";
//! service Stock {
//!     rpc Take(google.protobuf.Int32Value) returns (google.protobuf.Int64Value);
//! }
//! ```

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let take = Method::builder()
        .name("take")
        .route_name("Take")
        .input_type("i32")
        .output_type("i64")
        .codec_path("tonic_prost::ProstCodec")
        .build();
    Builder::new().compile(&[Service::builder()
        .package("shop")
        .name("Stock")
        .method(take)
        .build()]);
}
