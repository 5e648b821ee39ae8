using System.Diagnostics;

namespace Aeronet.Http.Semantics;

/// <summary>Why a request is refused. One value per rule, so that a log line or metric tag can name it.</summary>
internal enum RejectionReason : byte
{
    None,

    // Start of the connection.
    TlsOverHttp,
    Http2Preface,

    // Request line.
    InvalidRequestLine,
    InvalidMethod,
    UnknownMethod,
    InvalidRequestTarget,
    InvalidPercentEncoding,
    OptionsMethodRequired,
    ConnectMethodRequired,
    UnrecognizedHttpVersion,
    RequestLineTooLong,

    // Line ends and characters, anywhere in the head or in trailers.
    BareCarriageReturn,
    BareLineFeed,
    ControlCharacter,

    // Field lines.
    ObsoleteLineFolding,
    WhitespaceBeforeFirstField,
    WhitespaceBeforeColon,
    MissingColon,
    EmptyFieldName,
    InvalidFieldName,
    HeadersExceedMaxTotalSize,
    TooManyHeaders,

    // Host.
    MissingHostHeader,
    MultipleHostHeaders,
    InvalidHostHeader,
    HostMismatch,

    // Framing.
    InvalidContentLength,
    MultipleContentLengths,
    ContentLengthWithTransferEncoding,
    TransferEncodingOnHttp10,
    InvalidTransferEncoding,
    UnsupportedTransferCoding,
    FinalTransferCodingNotChunked,
    ChunkedTwice,
    LengthRequiredHttp10,
    ExpectationFailed,

    // Chunked content and trailers.
    BadChunkSizeData,
    BadChunkExtension,
    ChunkExtensionsTooLong,
    BadChunkSuffix,
    ChunkedRequestIncomplete,
    ForbiddenTrailer,

    // Found by the session, not by the parser.
    UnexpectedEndOfRequestContent,
    RequestHeadersTimeout,
    RequestBodyTimeout,
    RequestBodyTooLarge,
    MisdirectedRequest,
}

/// <summary>What a <see cref="RejectionReason"/> means on the wire and in words.</summary>
internal readonly record struct Rejection(int Status, string RfcSection, string Message);

/// <summary>The one table from reason to status, section and text.</summary>
internal static class Rejections
{
    public static Rejection Describe(RejectionReason reason)
    {
        Debug.Assert(reason != RejectionReason.None);
        return reason switch
        {
            RejectionReason.TlsOverHttp => new(400, "RFC 9112 section 3", "Detected a TLS handshake to an endpoint that does not have TLS enabled."),
            RejectionReason.Http2Preface => new(505, "RFC 9113 section 3.4", "An HTTP/2 connection preface was sent to an HTTP/1.x endpoint."),

            RejectionReason.InvalidRequestLine => new(400, "RFC 9112 section 3", "Invalid request line."),
            RejectionReason.InvalidMethod => new(400, "RFC 9112 section 3.1", "Invalid request line: the method is not a token."),
            RejectionReason.UnknownMethod => new(501, "RFC 9110 section 9.1", "Method not implemented."),
            RejectionReason.InvalidRequestTarget => new(400, "RFC 9112 section 3.2", "Invalid request target."),
            RejectionReason.InvalidPercentEncoding => new(400, "RFC 3986 section 2.1", "Invalid request target: bad percent-encoding in the path."),
            RejectionReason.OptionsMethodRequired => new(405, "RFC 9112 section 3.2.4", "Method not allowed."),
            RejectionReason.ConnectMethodRequired => new(405, "RFC 9112 section 3.2.3", "Method not allowed."),
            RejectionReason.UnrecognizedHttpVersion => new(505, "RFC 9112 section 2.3", "Unrecognized HTTP version."),
            RejectionReason.RequestLineTooLong => new(414, "RFC 9112 section 3", "Request line too long."),

            RejectionReason.BareCarriageReturn => new(400, "RFC 9112 section 2.2", "Bare carriage return."),
            RejectionReason.BareLineFeed => new(400, "RFC 9112 section 2.2", "Bare line feed."),
            RejectionReason.ControlCharacter => new(400, "RFC 9110 section 5.5", "Malformed request: control character."),

            RejectionReason.ObsoleteLineFolding => new(400, "RFC 9112 section 5.2", "Invalid request header: obsolete line folding."),
            RejectionReason.WhitespaceBeforeFirstField => new(400, "RFC 9112 section 2.2", "Invalid request header: whitespace before the first field line."),
            RejectionReason.WhitespaceBeforeColon => new(400, "RFC 9112 section 5.1", "Invalid request header: whitespace before the colon."),
            RejectionReason.MissingColon => new(400, "RFC 9112 section 5", "Invalid request header: no colon."),
            RejectionReason.EmptyFieldName => new(400, "RFC 9110 section 5.1", "Invalid request header: empty name."),
            RejectionReason.InvalidFieldName => new(400, "RFC 9110 section 5.1", "Invalid characters in header name."),
            RejectionReason.HeadersExceedMaxTotalSize => new(431, "RFC 9110 section 5.4", "Request headers too long."),
            RejectionReason.TooManyHeaders => new(431, "RFC 9110 section 5.4", "Request contains too many headers."),

            RejectionReason.MissingHostHeader => new(400, "RFC 9112 section 3.2", "Request is missing Host header."),
            RejectionReason.MultipleHostHeaders => new(400, "RFC 9112 section 3.2", "Multiple Host headers."),
            RejectionReason.InvalidHostHeader => new(400, "RFC 9112 section 3.2", "Invalid Host header."),
            RejectionReason.HostMismatch => new(400, "RFC 9112 section 3.2.2", "Invalid Host header: it differs from the authority of the request target."),

            RejectionReason.InvalidContentLength => new(400, "RFC 9112 section 6.3", "Invalid content length."),
            RejectionReason.MultipleContentLengths => new(400, "RFC 9112 section 6.3", "Multiple Content-Length headers."),
            RejectionReason.ContentLengthWithTransferEncoding => new(400, "RFC 9112 section 6.3", "Both Content-Length and Transfer-Encoding headers."),
            RejectionReason.TransferEncodingOnHttp10 => new(400, "RFC 9112 section 6.1", "Transfer-Encoding in an HTTP/1.0 request."),
            RejectionReason.InvalidTransferEncoding => new(400, "RFC 9112 section 6.1", "Invalid Transfer-Encoding header."),
            RejectionReason.UnsupportedTransferCoding => new(501, "RFC 9112 section 6.1", "Transfer coding not implemented."),
            RejectionReason.FinalTransferCodingNotChunked => new(400, "RFC 9112 section 6.3", "The message body length cannot be determined because the final transfer coding is not 'chunked'."),
            RejectionReason.ChunkedTwice => new(400, "RFC 9112 section 6.1", "The transfer coding 'chunked' is applied more than once."),
            RejectionReason.LengthRequiredHttp10 => new(400, "RFC 9112 section 6.3", "Request contains no Content-Length or Transfer-Encoding header."),
            RejectionReason.ExpectationFailed => new(417, "RFC 9110 section 10.1.1", "Expectation failed."),

            RejectionReason.BadChunkSizeData => new(400, "RFC 9112 section 7.1", "Bad chunk size data."),
            RejectionReason.BadChunkExtension => new(400, "RFC 9112 section 7.1.1", "Bad chunk extension."),
            RejectionReason.ChunkExtensionsTooLong => new(400, "RFC 9112 section 7.1.1", "Bad chunk extension: too many bytes."),
            RejectionReason.BadChunkSuffix => new(400, "RFC 9112 section 7.1", "Bad chunk suffix."),
            RejectionReason.ChunkedRequestIncomplete => new(400, "RFC 9112 section 8", "Chunked request incomplete."),
            RejectionReason.ForbiddenTrailer => new(400, "RFC 9110 section 6.5.1", "Forbidden trailer field."),

            RejectionReason.UnexpectedEndOfRequestContent => new(400, "RFC 9112 section 8", "Unexpected end of request content."),
            RejectionReason.RequestHeadersTimeout => new(408, "RFC 9110 section 15.5.9", "Reading the request headers timed out."),
            RejectionReason.RequestBodyTimeout => new(408, "RFC 9110 section 15.5.9", "Reading the request body timed out due to data arriving too slowly. See MinRequestBodyDataRate."),
            RejectionReason.RequestBodyTooLarge => new(413, "RFC 9110 section 15.5.14", "Request body too large."),
            RejectionReason.MisdirectedRequest => new(421, "RFC 9110 section 15.5.20", "Misdirected request: its host has another TLS configuration than the server name of this connection."),
            _ => new(400, "RFC 9110 section 15.5.1", "Bad request."),
        };
    }
}
