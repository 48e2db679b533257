//! Health, metrics, and whatever else is mounted.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::sync::watch;

use crate::metrics::Metrics;
use crate::shared::{Phase, reached};
use crate::tls::HttpListener;

/// What the health pages need: they are served before the switch exists.
#[derive(Clone)]
struct Health {
    phase: watch::Receiver<Phase>,
    metrics: Arc<Metrics>,
}

/// Serves until the switch stops.
pub(crate) async fn serve(
    listener: HttpListener,
    phase: watch::Receiver<Phase>,
    metrics: Arc<Metrics>,
    extra: Option<Router>,
) {
    let health = Health { phase: phase.clone(), metrics };
    let own = Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics_page))
        .with_state(health);
    let router = match extra {
        Some(extra) => own.merge(extra),
        None => own,
    };
    let stopped = reached(phase, Phase::Stopping);
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
        tracing::error!(%error, "HTTP ended");
    }
}

async fn live(State(health): State<Health>) -> StatusCode {
    if *health.phase.borrow() == Phase::Failed { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
}

async fn ready(State(health): State<Health>) -> (StatusCode, &'static str) {
    match *health.phase.borrow() {
        Phase::Serving => (StatusCode::OK, "ready\n"),
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Phase::Draining | Phase::Stopping | Phase::Failed => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
    }
}

async fn metrics_page(State(health): State<Health>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], health.metrics.render())
}
