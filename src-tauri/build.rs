//! Tauri's build step. The app's own commands are named here, so that a page may call only those that a capability lists.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=src-tauri/capabilities");
    let commands = tauri_build::AppManifest::new().commands(&["status", "command", "act"]);
    let attributes = tauri_build::Attributes::new()
        .app_manifest(commands)
        .capabilities_path_pattern("./src-tauri/capabilities/**/*.json");
    Ok(tauri_build::try_build(attributes)?)
}
