namespace Aeronet.Http.Http1;

/// <summary>What the HTTP/1.1 codec accepts. Immutable snapshot of the server's options; names follow Kestrel's limits.</summary>
internal sealed class Http1Limits
{
    /// <summary>Most bytes of the request line, CRLF and skipped empty lines included. Above it: 414.</summary>
    public int RequestLineSizeMax { get; init; } = 8 * 1024;

    /// <summary>Most bytes of all field lines with their line ends, trailers included, the empty line at the end excluded. Above it: 431.</summary>
    public int HeadersTotalSizeMax { get; init; } = 32 * 1024;

    /// <summary>Most field lines of one request, trailers included. Above it: 431.</summary>
    public int HeaderCountMax { get; init; } = 100;

    /// <summary>Most digits of a chunk size, leading zeros included. Above it: 400. The value is limited to Int32.MaxValue besides.</summary>
    public int ChunkSizeDigitsMax { get; init; } = 10;

    /// <summary>Most bytes of all chunk extensions of one request. Above it: 400.</summary>
    public int ChunkExtensionsSizeMax { get; init; } = 16 * 1024;

    /// <summary>Accept a lone LF where a line ends (request line, field lines, chunk-size lines without extension). RFC 9112 section 2.2 allows it, smuggling thrives on it.</summary>
    public bool AllowLineFeedTerminators { get; init; }

    /// <summary>Let the authority of an absolute-form target win over a Host field that differs (RFC 9112 section 3.2.2) instead of refusing.</summary>
    public bool AllowHostHeaderOverride { get; init; }

    /// <summary>Answer 501 to a method that is not in <see cref="Semantics.HttpMethod"/>.</summary>
    public bool RejectUnknownMethods { get; init; }

    public static Http1Limits Default { get; } = new();
}
