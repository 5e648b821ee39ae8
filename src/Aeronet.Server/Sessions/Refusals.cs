using Aeronet.Http.Semantics;
using Aeronet.Server.Diagnostics;

namespace Aeronet.Server.Sessions;

/// <summary>Refusals that the session finds, not the parser: time, size and the end of the stream.</summary>
internal static class Refusals
{
    /// <summary>The head did not arrive in time.</summary>
    public static ProtocolError RequestHeadersTimeout(long offset) => ProtocolError.Create(RejectionReason.RequestHeadersTimeout, offset);

    /// <summary>The stream ended inside the head.</summary>
    public static ProtocolError UnexpectedEndOfHead(long offset) => ProtocolError.Create(RejectionReason.InvalidRequestLine, offset);

    /// <summary>The stream ended inside the content.</summary>
    public static ProtocolError UnexpectedEndOfContent(long offset) => ProtocolError.Create(RejectionReason.UnexpectedEndOfRequestContent, offset);

    /// <summary>The content arrives below the minimum rate.</summary>
    public static ProtocolError RequestBodyTimeout(long offset) => ProtocolError.Create(RejectionReason.RequestBodyTimeout, offset);

    /// <summary>The content is larger than this request may have.</summary>
    public static ProtocolError RequestBodyTooLarge(long offset, long limit) =>
        ProtocolError.Create(RejectionReason.RequestBodyTooLarge, offset) with { Message = $"Request body too large. The max request body size is {limit} bytes." };

    /// <summary>A field value that no encoding can make a string of.</summary>
    public static ProtocolError FieldValueIsNoText(long offset, string excerpt) =>
        ProtocolError.Create(RejectionReason.ControlCharacter, offset, excerpt) with { Message = "Malformed request: a field value is not valid in its character encoding." };

    /// <summary>The value of <c>error.type</c> for a connection that ends with this refusal.</summary>
    public static string EndReason(in ProtocolError error) => error.Reason switch
    {
        RejectionReason.TlsOverHttp => ConnectionErrors.TlsNotSupported,
        RejectionReason.Http2Preface or RejectionReason.UnrecognizedHttpVersion => ConnectionErrors.InvalidHttpVersion,
        RejectionReason.HeadersExceedMaxTotalSize => ConnectionErrors.MaxRequestHeadersTotalSizeExceeded,
        RejectionReason.TooManyHeaders => ConnectionErrors.MaxRequestHeaderCountExceeded,
        RejectionReason.RequestHeadersTimeout => ConnectionErrors.RequestHeadersTimeout,
        RejectionReason.RequestBodyTimeout => ConnectionErrors.MinRequestBodyDataRate,
        RejectionReason.RequestBodyTooLarge => ConnectionErrors.MaxRequestBodySizeExceeded,
        RejectionReason.UnexpectedEndOfRequestContent or RejectionReason.ChunkedRequestIncomplete => ConnectionErrors.UnexpectedEndOfRequestContent,
        >= RejectionReason.InvalidRequestLine and <= RejectionReason.RequestLineTooLong => ConnectionErrors.InvalidRequestLine,
        _ => ConnectionErrors.InvalidRequestHeaders,
    };
}
