namespace Aeronet.Server.Diagnostics;

/// <summary>Values of <c>error.type</c> on <c>kestrel.connection.duration</c>: the words that Kestrel's users know. An application's exception is named by its full type name instead.</summary>
internal static class ConnectionErrors
{
    public const string AbortedByApp = "aborted_by_app";
    public const string AppShutdownTimeout = "app_shutdown_timeout";
    public const string ConnectionReset = "connection_reset";
    public const string ErrorAfterStartingResponse = "error_after_starting_response";
    public const string InvalidHttpVersion = "invalid_http_version";
    public const string InvalidRequestHeaders = "invalid_request_headers";
    public const string InvalidRequestLine = "invalid_request_line";
    public const string KeepAliveTimeout = "keep_alive_timeout";
    public const string MaxConcurrentConnectionsExceeded = "max_concurrent_connections_exceeded";
    public const string MaxRequestBodySizeExceeded = "max_request_body_size_exceeded";
    public const string MaxRequestHeaderCountExceeded = "max_request_header_count_exceeded";
    public const string MaxRequestHeadersTotalSizeExceeded = "max_request_headers_total_size_exceeded";
    public const string MinRequestBodyDataRate = "min_request_body_data_rate";
    public const string MinResponseDataRate = "min_response_data_rate";
    public const string RequestHeadersTimeout = "request_headers_timeout";
    public const string ResponseContentLengthMismatch = "response_content_length_mismatch";
    public const string TlsHandshakeFailed = "tls_handshake_failed";
    public const string TlsNotSupported = "tls_not_supported";
    public const string UnexpectedEndOfRequestContent = "unexpected_end_of_request_content";
    public const string WriteCanceled = "write_canceled";
}
