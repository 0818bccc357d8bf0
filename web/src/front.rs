//! Every request comes by here: a ballot is answered at once, all others by the router.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{Router, body::Body};
use bytes::Bytes;
use hyper::{
    Method, Request, Response,
    body::{Frame, Incoming, SizeHint},
    header::{HeaderValue, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS},
};
use tower::ServiceExt;

use crate::{
    api::ballots,
    app::App,
    http::{
        client::{Audience, Client},
        connection::Answers,
        cors,
        entrance::Listening,
        hosts::Hosts,
        idle::Followed,
        problem::{Problem, ProblemKind},
        server::{Gauges, Server, ServerSettings},
    },
    metrics::Reason,
    routes,
    supervise::supervised,
    visits::addresses,
    worker::Worker,
};

/// For a year. Where we end TLS ourselves, browsers do not come by plain HTTP again.
const HTTPS_ONLY: &str = "max-age=31536000";

/// Serves a node on one of its listeners: starts its workers, and accepting on the present runtime.
pub fn serve(
    app: &Arc<App>,
    listening: Listening,
    settings: &ServerSettings,
) -> std::io::Result<Server> {
    let audience = listening.entrance.audience;
    let address = listening.listener.local_addr()?;
    let names = app.origins.iter().filter_map(|origin| origin.split_once("://"));
    let hosts = Hosts::of(address.ip(), names.map(|(_, host)| host.to_ascii_lowercase()));
    let hosts = Arc::new(hosts);
    let front = || {
        let worker = Worker::new(Arc::clone(app));
        let router = routes::router(worker.clone(), audience);
        Front { router, worker, hosts: Arc::clone(&hosts) }
    };
    // Operators' own connections are not what they look at.
    let gauges = match audience {
        Audience::Operators => Gauges::default(),
        Audience::Everybody | Audience::Public => app.metrics.connections.clone(),
    };
    Server::start(listening, settings, &gauges, front)
}

/// One worker's.
#[derive(Clone)]
struct Front {
    worker: Worker,
    router: Router,
    hosts: Arc<Hosts>,
}

impl Answers for Front {
    type Body = Reply;

    fn start(&self) {
        let gatherer = Arc::clone(&self.worker.gatherer);
        tokio::spawn(async move { supervised("gatherer", || Arc::clone(&gatherer).run()).await });
    }

    async fn answer(
        &self,
        client: Client,
        request: Request<Followed<Incoming>>,
    ) -> Response<Reply> {
        let mut response = match self.check(client, &request) {
            Ok(()) => self.answer_checked(client, request).await,
            Err(problem) => {
                self.count(problem.kind());
                in_one_piece(&problem)
            }
        };
        let headers = response.headers_mut();
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if client.is_secure {
            headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HTTPS_ONLY));
        }
        response
    }

    fn end(&self) {
        self.worker.app.streams.end();
    }
}

impl Front {
    /// What is refused whatever it asks for: another host, and a change over plain HTTP.
    fn check(&self, client: Client, request: &Request<Followed<Incoming>>) -> Result<(), Problem> {
        let (app, headers) = (&self.worker.app, request.headers());
        // A proxy asks for the host that it was asked for, or for whatever it is told to.
        if !client.is_behind_proxy && !app.limits.proxies().trust(client.peer) {
            self.hosts.check(headers, request.uri())?;
        }
        // Whoever posts a form is told by a page.
        if is_change(request.method())
            && app.is_over_plain_http(client, headers)
            && !request.uri().path().starts_with("/c/")
        {
            let detail = "This service takes changes by https alone.";
            return Err(Problem::new(ProblemKind::PlainHttp, detail));
        }
        Ok(())
    }

    async fn answer_checked(
        &self,
        client: Client,
        request: Request<Followed<Incoming>>,
    ) -> Response<Reply> {
        let app = &self.worker.app;
        if request.method() == Method::POST
            && app.roles.intake
            && routes::contest_of_ballots(request.uri().path()).is_some()
        {
            let (parts, body) = request.into_parts();
            let slug = routes::contest_of_ballots(parts.uri.path()).unwrap_or_default();
            let cast = ballots::cast(&self.worker, slug, &parts.headers, body, client).await;
            let mut response = match cast {
                Ok(response) => response.map(Reply::Whole),
                Err(problem) => {
                    self.count(problem.kind());
                    in_one_piece(&problem)
                }
            };
            cors::allow(response.headers_mut(), &parts.headers, &app.vote_addresses);
            return response;
        }
        if let Some(response) = addresses::redirect(request.method(), request.uri()) {
            return response.map(Reply::Routed);
        }
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(client);
        let person = addresses::person(request.uri(), request.headers());
        let Ok(mut response) = self.router.clone().oneshot(request).await;
        if let Some(kind) = response.extensions().get::<ProblemKind>() {
            self.count(*kind);
        }
        if let Some(page) = person {
            response = addresses::page_of_404(response, page);
        }
        response.map(Reply::Routed)
    }

    fn count(&self, kind: ProblemKind) {
        self.worker.app.metrics.refused.get_or_create(&Reason { reason: kind.name() }).inc();
    }
}

fn is_change(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn in_one_piece(problem: &Problem) -> Response<Reply> {
    let mut response = Response::new(Reply::Whole(problem.body().into()));
    *response.status_mut() = problem.kind().status();
    *response.headers_mut() = problem.headers();
    response
}

/// A reply's body: in one piece from the hot route, or whatever the router made.
enum Reply {
    Whole(Bytes),
    Routed(Body),
}

impl hyper::body::Body for Reply {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Routed(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Routed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Routed(body) => body.size_hint(),
        }
    }
}
