namespace Aeronet.TestSupport.Wire;

/// <summary>How the end of a response body was marked. RFC 9112 6.3.</summary>
public enum BodyFraming
{
    /// <summary>No body by the status or the method.</summary>
    None,

    /// <summary>Content-Length.</summary>
    ContentLength,

    /// <summary>Transfer-Encoding: chunked.</summary>
    Chunked,

    /// <summary>The end of the connection.</summary>
    UntilClose,
}
