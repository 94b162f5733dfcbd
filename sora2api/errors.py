"""What can go wrong: one tree. A class's docstring is the user's message; the HTTP status and code stand on it.

Three families hang on the root: what a client did wrong or must be told (`ClientError`), what an engine or the
way to it did (`EngineError`; retry, cooldown and failover follow its type, never its words), and how a job can end
without a result (`JobError`).
"""

from typing import ClassVar, Literal

ErrorType = Literal[
    "invalid_request_error", "authentication_error", "permission_error", "rate_limit_error", "server_error"
]


class Sora2ApiError(Exception):
    """Something went wrong inside the server."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    type: ClassVar[ErrorType] = "server_error"
    retry: ClassVar[bool] = False
    """Whether the same request may do better later; said to SDKs as `x-should-retry`."""

    def __init__(
        self, message: str | None = None, *, param: str | None = None, retry_after: float | None = None
    ) -> None:
        self.message = message or (self.__doc__ or "").strip().splitlines()[0]
        self.param = param
        self.retry_after = retry_after
        super().__init__(self.message)


class WorkerDied(Sora2ApiError):
    """The process that worked on a media file died, twice."""

    code = "worker_died"


class NotInstalled(Sora2ApiError):
    """sora2api is not installed here, so it has no plugins: run `pip install .` in its folder."""

    code = "not_installed"


# What a client did, or must be told.


class ClientError(Sora2ApiError):
    """The request cannot be served."""

    status = 400
    code = "invalid_request"
    type: ClassVar[ErrorType] = "invalid_request_error"


class InvalidRequest(ClientError):
    """The request is not valid."""


class InvalidJSON(InvalidRequest):
    """The body is not valid JSON."""

    code = "invalid_json"


class InvalidValue(InvalidRequest):
    """A value is not valid."""

    code = "invalid_value"


class MissingParameter(InvalidRequest):
    """A required parameter is missing."""

    code = "missing_required_parameter"


class InvalidImage(InvalidRequest):
    """The image cannot be read."""

    code = "invalid_image"


class InvalidVideo(InvalidRequest):
    """The video cannot be read."""

    code = "invalid_video"


class LinkNotFetched(InvalidRequest):
    """The link could not be fetched."""

    code = "link_not_fetched"


class LinkRefused(InvalidRequest):
    """The link points to an address that is not public."""

    code = "link_refused"


class UnsupportedFeature(ClientError):
    """This is not supported here."""

    code = "unsupported_feature"


class NotReady(ClientError):
    """The video is not ready yet."""

    code = "video_not_ready"


class Unauthenticated(ClientError):
    """No valid API key was given: send `Authorization: Bearer <key>`."""

    status = 401
    code = "invalid_api_key"


class KeyExpired(Unauthenticated):
    """This API key has expired."""

    code = "api_key_expired"


class Forbidden(ClientError):
    """This is not allowed."""

    status = 403
    code = "forbidden"
    type = "permission_error"


class AddressNotAllowed(Forbidden):
    """This API key may not be used from here."""

    code = "address_not_allowed"


class ModeNotAllowed(Forbidden):
    """This API key may not be used for this."""

    code = "mode_not_allowed"


class ModelNotAllowed(Forbidden):
    """This API key may not ask for this model; GET /v1/models lists those that it may."""

    code = "model_not_allowed"


class NotFound(ClientError):
    """There is no such thing here."""

    status = 404
    code = "not_found"


class ModelNotFound(NotFound):
    """There is no such model here; GET /v1/models lists them."""

    code = "model_not_found"

    def __init__(self, message: str | None = None, *, param: str | None = "model") -> None:
        super().__init__(message, param=param)


class MethodNotAllowed(ClientError):
    """This path does not take this method."""

    status = 405
    code = "method_not_allowed"


class Gone(ClientError):
    """This existed, and has expired or was deleted."""

    status = 410
    code = "expired"


class TooLarge(ClientError):
    """The request body is too large."""

    status = 413
    code = "request_too_large"


class UnsupportedMediaType(ClientError):
    """The content type of the body is not one that is understood here."""

    status = 415
    code = "unsupported_media_type"


class IdempotencyConflict(ClientError):
    """This Idempotency-Key was used for another request."""

    status = 422
    code = "idempotency_key_reused"


class QueueFull(ClientError):
    """Too many jobs are waiting; try again later."""

    status = 429
    code = "queue_full"
    type = "rate_limit_error"
    retry = True


class RateLimitExceeded(ClientError):
    """This API key has made too many requests within a minute."""

    status = 429
    code = "rate_limit_exceeded"
    type = "rate_limit_error"
    retry = True


class TooManyJobs(ClientError):
    """This API key has as many jobs under way as it may have."""

    status = 429
    code = "too_many_jobs"
    type = "rate_limit_error"
    retry = True


class InsufficientQuota(ClientError):
    """This API key has used up what it may make in a day or a month."""

    status = 429
    code = "insufficient_quota"
    type = "rate_limit_error"


class ReceivingFull(ClientError):
    """The server is receiving as much as it can at once; try again in a moment."""

    status = 503
    code = "receiving_full"
    type = "server_error"
    retry = True


class TooManyAttempts(ClientError):
    """Too many attempts; wait before the next."""

    status = 429
    code = "too_many_attempts"
    type = "rate_limit_error"
    retry = True


class WaitTimeout(ClientError):
    """The result was not ready in time; the job goes on."""

    status = 504
    code = "wait_timeout"
    type = "server_error"


class NoEngine(ClientError):
    """No account serves this model: add one with `sora2api account add`, or in the panel."""

    status = 503
    code = "no_engine"
    type = "server_error"


class Starting(ClientError):
    """The server is starting; try again in a moment."""

    status = 503
    code = "starting"
    type = "server_error"
    retry = True


class IntakePaused(ClientError):
    """The operator lets no new jobs in for now."""

    status = 503
    code = "intake_paused"
    type = "server_error"
    retry = True


class Draining(ClientError):
    """The server is stopping and takes no new jobs."""

    status = 503
    code = "draining"
    type = "server_error"
    retry = True


class DiskFull(ClientError):
    """The server's disk is nearly full, so it takes no new jobs."""

    status = 503
    code = "disk_full"
    type = "server_error"
    retry = True


# What an engine did, or the way to it. Drivers raise these, and nothing else.


class EngineError(Sora2ApiError):
    """The engine could not do this."""

    status = 502
    code = "engine_error"


class BadRequest(EngineError):
    """The engine does not accept this request."""

    status = 400
    code = "rejected_by_engine"
    type = "invalid_request_error"


class PolicyRefusal(EngineError):
    """The engine refuses to make this."""

    status = 400
    code = "moderation_blocked"
    type = "invalid_request_error"


class NotServedHere(EngineError):
    """The engine does not serve this model."""

    code = "not_served_here"


class AccountRejected(EngineError):
    """The engine rejects the account's token."""

    code = "account_rejected"


class AccountExpired(AccountRejected):
    """The account's token has ended, and could not be refreshed."""

    code = "account_expired"


class QuotaExhausted(EngineError):
    """The account's quota at the engine is used up."""

    code = "quota_exhausted"


class RateLimited(EngineError):
    """The engine takes no more requests from this account for a while."""

    code = "engine_rate_limited"


class EngineBusy(EngineError):
    """The engine is busy."""

    code = "engine_busy"


class EngineFault(EngineError):
    """The engine failed."""

    code = "engine_fault"


class NetworkFault(EngineError):
    """The connection to the engine broke; whether it took the request is not known."""

    code = "network_fault"


class ConnectFault(NetworkFault):
    """The engine could not be reached; nothing was sent."""

    code = "engine_unreachable"


class ProxyFault(ConnectFault):
    """The account's proxy could not be reached, or did not let us through; nothing was sent."""

    code = "proxy_fault"


class TaskLost(EngineError):
    """The engine no longer knows the task that it had accepted."""

    code = "task_lost"


class TaskCancelled(EngineError):
    """The engine cancelled the task."""

    code = "cancelled"


class TaskExpired(EngineError):
    """The task expired at the engine."""

    code = "expired"


# How a job can end without a result, beyond what an engine said.


class JobError(Sora2ApiError):
    """The job failed."""

    code = "job_failed"


class Cancelled(JobError):
    """The job was cancelled."""

    status = 400
    code = "cancelled"
    type = "invalid_request_error"


class QueueTimeout(JobError):
    """The job waited too long for an account."""

    status = 503
    code = "queue_timeout"


class DeadlineExceeded(JobError):
    """The job took longer than its mode allows."""

    status = 504
    code = "deadline_exceeded"


class AccountUnavailable(JobError):
    """The account that has to do this is not available."""

    status = 503
    code = "account_unavailable"


class SubmitUnknown(JobError):
    """Whether the engine took the job is not known, and it was not sent a second time."""

    status = 502
    code = "submit_unknown"


class ModeMissing(JobError):
    """The plugin that the job was made by is no longer installed."""

    status = 500
    code = "mode_missing"


class ModeFault(JobError):
    """The plugin that works this job failed."""

    status = 500
    code = "mode_error"
