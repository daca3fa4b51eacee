//! The image's files say the same as the runner.

const DOCKERFILE: &str = include_str!("../../Dockerfile");

// R1: what the host asks the image for.
#[test]
fn image() {
    for line in [
        concat!("LABEL com.nanoclaw.runner=\"", env!("CARGO_PKG_VERSION"), "\""),
        "ENTRYPOINT [\"/app/entrypoint.sh\"]",
        "USER node",
        "WORKDIR /workspace/group",
    ] {
        assert!(DOCKERFILE.lines().any(|l| l == line), "{line}");
    }
    assert!(include_str!("../../entrypoint.sh").contains("exec /app/nanoclaw-agent"));
}

// R1: one Dockerfile for both builders.
#[test]
fn no_buildkit_only_words() {
    let code: String = DOCKERFILE.lines().filter(|l| !l.starts_with('#')).collect();
    for word in ["--mount", "--chmod", "<<EOF", "TARGETARCH", "COPY --link"] {
        assert!(!code.contains(word), "{word}");
    }
}
