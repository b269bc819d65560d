//! The client and server of tonic's service, made without protoc.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let method = |name: &str, route: &str| {
        Method::builder()
            .name(name)
            .route_name(route)
            .input_type("crate::grpc::Values")
            .output_type("crate::grpc::Values")
            .codec_path("tonic_prost::ProstCodec")
            .build()
    };
    let loads = Service::builder()
        .name("Loads")
        .package("peers")
        .method(method("push", "Push"))
        .method(method("pull", "Pull"));
    Builder::new().compile(&[loads.build()]);
}
