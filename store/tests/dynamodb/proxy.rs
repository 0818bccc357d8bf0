//! A server between the store and DynamoDB that answers throttling, errors, nonsense or nothing,
//! before or **after** it has let the request through.

use std::{net::SocketAddr, sync::Arc};

use parking_lot::Mutex;
use store::dynamodb::DynamoDbSettings;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is let through, and so is its answer.
    Forward,
    /// It is let through; the connection is closed instead of an answer.
    LoseReply,
    /// It is let through; the answer does not come for as long as the connection lives.
    StallReply,
    /// The connection is closed at once.
    Close,
    /// It is answered with this error and not let through.
    Error(u16, &'static str),
    /// It is answered with success and nonsense, and not let through.
    Nonsense,
}

/// A request: which operation, and its body.
pub(crate) struct Request {
    pub(crate) operation: String,
    pub(crate) body: String,
}

impl Request {
    /// Whether it puts a batch, not an entry of the index.
    pub(crate) fn puts_batch(&self) -> bool {
        self.operation == "PutItem" && self.body.contains(r#""b":"#)
    }
}

type Judge = Box<dyn FnMut(&Request) -> Fate + Send>;

/// The proxy; ends when dropped.
pub(crate) struct Proxy {
    pub(crate) settings: DynamoDbSettings,
    judge: Arc<Mutex<Judge>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// A proxy before the server of the settings, which lets everything through.
    pub(crate) async fn before(settings: &DynamoDbSettings) -> Self {
        let server = settings.endpoint.as_deref().unwrap();
        let server = server.strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let endpoint = Some(format!("http://{}", listener.local_addr().unwrap()));
        let judge: Arc<Mutex<Judge>> = Arc::new(Mutex::new(Box::new(|_| Fate::Forward)));
        let task = tokio::spawn(accept(listener, server.into(), judge.clone()));
        Self { settings: DynamoDbSettings { endpoint, ..settings.clone() }, judge, task }
    }

    /// From now on this decides.
    pub(crate) fn judge(&self, judge: impl FnMut(&Request) -> Fate + Send + 'static) {
        *self.judge.lock() = Box::new(judge);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, server: Arc<str>, judge: Arc<Mutex<Judge>>) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let (server, judge) = (server.clone(), judge.clone());
        tokio::spawn(async move {
            // A client that goes away ends its connection.
            let _ = serve(client, &server, &judge).await;
        });
    }
}

async fn serve(mut client: TcpStream, server: &str, judge: &Mutex<Judge>) -> std::io::Result<()> {
    loop {
        let (bytes, request) = read_request(&mut client).await?;
        let fate = (judge.lock())(&request);
        match fate {
            Fate::Forward => client.write_all(&forward(bytes, server).await?).await?,
            Fate::LoseReply => {
                forward(bytes, server).await?;
                return Ok(());
            }
            Fate::StallReply => {
                forward(bytes, server).await?;
                client.read_u8().await?;
            }
            Fate::Close => return Ok(()),
            Fate::Error(status, code) => {
                let kind = format!("com.amazonaws.dynamodb.v20120810#{code}");
                let body = format!(r#"{{"__type":"{kind}","message":"injected"}}"#);
                client.write_all(answer(status, &body).as_bytes()).await?;
            }
            Fate::Nonsense => client.write_all(answer(200, "<html>").as_bytes()).await?,
        }
    }
}

fn answer(status: u16, body: &str) -> String {
    let bytes = body.len();
    format!(
        "HTTP/1.1 {status} Injected\r\nContent-Type: application/x-amz-json-1.0\r\n\
        Content-Length: {bytes}\r\n\r\n{body}"
    )
}

async fn read_request(client: &mut TcpStream) -> std::io::Result<(Vec<u8>, Request)> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
    let header = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim().to_owned()
    };
    let length: usize = header("content-length:").parse().unwrap();
    while bytes.len() < head + length {
        if client.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let target = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let operation = target.split("DynamoDB_20120810.").nth(1).unwrap();
    let operation = operation.lines().next().unwrap().trim().to_owned();
    let body = String::from_utf8(bytes[head..].to_vec()).unwrap();
    Ok((bytes, Request { operation, body }))
}

/// Lets the request through, on a connection of its own, and returns the whole answer.
async fn forward(bytes: Vec<u8>, server: &str) -> std::io::Result<Vec<u8>> {
    let first_line = bytes.windows(2).position(|two| two == b"\r\n").unwrap() + 2;
    let mut upstream = TcpStream::connect(server).await?;
    upstream.write_all(&bytes[..first_line]).await?;
    upstream.write_all(b"Connection: close\r\n").await?;
    upstream.write_all(&bytes[first_line..]).await?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await?;
    Ok(answer)
}
