//! The agent's tools (A6): an MCP server on stdio, started by Kiro for each session as `nanoclaw-agent mcp`.
//!
//! | module | owns |
//! |---|---|
//! | `mod` | the server, by the official SDK, and how Kiro is told of it (R10) |
//! | `tools` | the tools, and from their arguments the request or what is wrong |
//! | `post` | the request's file and the host's answer (I1, I8) |
//!
//! It decides nothing: what it lets through the host checks again, by the folder that the file lies in (I2).

mod post;
mod tools;

use std::path::PathBuf;

use nanoclaw_protocol::Request;
use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, ListToolsResult,
        PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
    transport::stdio,
};
use serde_json::{Value, json};

use tools::Asked;

/// The runner's argument that starts it.
pub const WORD: &str = "mcp";
/// Its name in a session; an entry of that name in the user's file is another one (R10).
const NAME: &str = "nanoclaw";

const CHAT: &str = "NANOCLAW_CHAT_JID";
const GROUP: &str = "NANOCLAW_GROUP_FOLDER";
const MAIN: &str = "NANOCLAW_IS_MAIN";
const IPC: &str = "NANOCLAW_IPC_DIR";

/// Whose tools these are.
#[derive(Clone, Debug)]
pub struct Identity {
    pub chat: String,
    pub is_main: bool,
    pub ipc: PathBuf,
}

impl Identity {
    fn from_environment() -> Option<Identity> {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Some(Identity { chat: set(CHAT)?, is_main: set(MAIN).is_some_and(|value| value == "1"), ipc: ipc_folder() })
    }
}

fn ipc_folder() -> PathBuf {
    std::env::var_os(IPC).filter(|path| !path.is_empty()).map_or_else(|| "/workspace/ipc".into(), PathBuf::from)
}

/// The server as `session/new` and `session/load` take it.
pub fn entry(request: &Request) -> Value {
    let program = std::env::current_exe().unwrap_or_else(|_| "/app/nanoclaw-agent".into());
    let pair = |name: &str, value: &str| json!({"name": name, "value": value});
    json!({"name": NAME, "command": program, "args": [WORD], "env": [
        pair(CHAT, &request.chat_jid),
        pair(GROUP, &request.group_folder),
        pair(MAIN, if request.is_main { "1" } else { "0" }),
        pair(IPC, &ipc_folder().to_string_lossy()),
    ]})
}

/// Serves until stdin ends.
pub async fn serve() -> u8 {
    let Some(identity) = Identity::from_environment() else {
        eprintln!("{CHAT} is not set: the tools don't know whose they are.");
        return 2;
    };
    let failed = match Server(identity).serve(stdio()).await {
        Ok(service) => service.waiting().await.err().map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    };
    let Some(error) = failed else { return 0 };
    eprintln!("The MCP server ended: {error}");
    1
}

struct Server(Identity);

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new(NAME, env!("CARGO_PKG_VERSION")))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tool = |(name, description, schema): (&'static str, &'static str, Value)| {
            Tool::new(name, description, schema.as_object().cloned().unwrap_or_default())
        };
        Ok(ListToolsResult::with_all_items(tools::all().into_iter().map(tool).collect()))
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let said = match tools::read(&call.name, call.arguments.unwrap_or_default(), &self.0) {
            Ok(Asked::List) => post::tasks(&self.0),
            Ok(Asked::Host(request)) => post::ask(&self.0, request).await,
            Err(wrong) => Err(wrong),
        };
        let text = |text| vec![ContentBlock::text(text)];
        let result = match said {
            Ok(said) => CallToolResult::success(text(said)),
            Err(wrong) => CallToolResult::error(text(wrong)),
        };
        Ok(result.into())
    }
}
