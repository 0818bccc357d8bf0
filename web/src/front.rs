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
};
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::{
    api::ballots,
    app::App,
    http::{
        client::Client,
        connection::Answers,
        cors,
        problem::{Problem, ProblemKind},
        server::{Server, ServerSettings},
        tls::Tls,
    },
    metrics::Reason,
    routes,
    supervise::supervised,
    visits::addresses,
    worker::Worker,
};

/// Serves a node: starts its workers, and accepting on the present runtime.
pub fn serve(
    app: &Arc<App>,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    settings: &ServerSettings,
) -> std::io::Result<Server> {
    let front = || {
        let worker = Worker::new(Arc::clone(app));
        Front { router: routes::router(worker.clone()), worker }
    };
    Server::start(listener, tls, settings, &app.metrics.connections, front)
}

/// One worker's.
#[derive(Clone)]
struct Front {
    worker: Worker,
    router: Router,
}

impl Answers for Front {
    type Body = Reply;

    fn start(&self) {
        let gatherer = Arc::clone(&self.worker.gatherer);
        tokio::spawn(async move { supervised("gatherer", || Arc::clone(&gatherer).run()).await });
    }

    async fn answer(&self, client: Client, request: Request<Incoming>) -> Response<Reply> {
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

    fn end(&self) {
        self.worker.app.streams.end();
    }
}

impl Front {
    fn count(&self, kind: ProblemKind) {
        self.worker.app.metrics.refused.get_or_create(&Reason { reason: kind.name() }).inc();
    }
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
