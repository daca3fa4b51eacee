//! `fake-whatsapp serve --port N`: the server as a program, for the demo and for tests from outside.
use anyhow::Result;
use clap::{Parser, Subcommand};
use fake_whatsapp::Server;
use serde_json::json;
use tracing_subscriber::EnvFilter;

/// A small WhatsApp that speaks the real protocol.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Listen on 127.0.0.1 until killed; one JSON line on stdout says where.
    Serve {
        /// The port; 0 takes a free one.
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let Command::Serve { port } = Cli::parse().command;
    let server = Server::start(port).await?;
    let place = json!({ "url": server.url(), "adminUrl": server.admin_url(), "rootKeyHex": server.root_key_hex() });
    #[expect(clippy::print_stdout, reason = "the line is this program's answer")]
    {
        println!("{place}");
    }
    std::future::pending().await
}
