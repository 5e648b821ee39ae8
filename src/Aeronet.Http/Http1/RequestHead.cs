using System;
using System.Diagnostics;
using Aeronet.Http.Semantics;

namespace Aeronet.Http.Http1;

internal enum HttpVersion : byte { Http10, Http11 }

/// <summary>The four forms of RFC 9112 section 3.2.</summary>
internal enum RequestTargetForm : byte { Origin, Absolute, Authority, Asterisk }

/// <summary>How the request's content is delimited, RFC 9112 section 6.3.</summary>
internal enum BodyKind : byte { None, ContentLength, Chunked }

/// <summary>One field line as offsets into the section's bytes. Value without surrounding whitespace.</summary>
internal readonly record struct FieldLine(int NameStart, int NameLength, int ValueStart, int ValueLength, KnownHeader Name);

/// <summary>What the request parser found, as offsets into the caller's contiguous buffer; offset 0 is the buffer's first byte, so skipped empty lines count.</summary>
/// <remarks>Reused between requests; complete once the parser says Done, valid while the caller keeps the head's bytes. Written by the parser only.</remarks>
internal sealed class RequestHead
{
    private const int FieldsAtStart = 16;

    private FieldLine[] _fields = new FieldLine[FieldsAtStart];

    // Everything that belongs to one request, so that a reset cannot forget a member.
    private State _state = State.Empty;

    public HttpMethod Method => _state.Method;

    /// <summary>The method token stands at <see cref="Start"/>.</summary>
    public int MethodLength => _state.MethodLength;

    /// <summary>Raw target as sent.</summary>
    public int TargetStart => _state.TargetStart;

    public int TargetLength => _state.TargetLength;

    public RequestTargetForm TargetForm => _state.TargetForm;

    /// <summary>Path part of the target in origin and absolute form, without the query; length 0 otherwise and for an absolute form without path (which means "/").</summary>
    public int PathStart => _state.PathStart;

    public int PathLength => _state.PathLength;

    /// <summary>Query with its question mark; length 0 if there is none.</summary>
    public int QueryStart => _state.QueryStart;

    public int QueryLength => _state.QueryLength;

    /// <summary>Host and port of the target in absolute and authority form; length 0 otherwise.</summary>
    public int AuthorityStart => _state.AuthorityStart;

    public int AuthorityLength => _state.AuthorityLength;

    /// <summary>The path holds an escape or something like a dot segment: use <see cref="RequestPath.Decode"/>, else <see cref="RequestPath.FromPlain"/>.</summary>
    public bool PathNeedsDecoding => _state.PathNeedsDecoding;

    public HttpVersion Version => _state.Version;

    /// <summary>The field lines in the order they came.</summary>
    public ReadOnlySpan<FieldLine> Fields => _fields.AsSpan(0, _state.FieldCount);

    public int FieldCount => _state.FieldCount;

    /// <summary>Index of the Host field in <see cref="Fields"/>, or -1.</summary>
    public int HostIndex => _state.HostIndex;

    /// <summary>The authority of the target is to be used for Host: absolute form, and the Host field is missing (HTTP/1.0) or overridden by option.</summary>
    public bool HostFromTarget => _state.HostFromTarget;

    public BodyKind Body => _state.Body;

    /// <summary>Valid when <see cref="Body"/> is ContentLength, 0 otherwise.</summary>
    public long ContentLength => _state.ContentLength;

    /// <summary>There is at least one byte of content, or there may be (chunked).</summary>
    public bool HasContent => _state.Body == BodyKind.Chunked || _state.ContentLength > 0;

    /// <summary>After version and Connection options: the peer wants the connection to go on.</summary>
    public bool KeepAlive => _state.KeepAlive;

    /// <summary>HTTP/1.1, Connection has the option upgrade, and there is no content. Whether an Upgrade field is present: <see cref="HasUpgradeField"/>.</summary>
    public bool ConnectionUpgrade => _state.ConnectionUpgrade;

    public bool HasUpgradeField => _state.HasUpgradeField;

    /// <summary>Expect: 100-continue on HTTP/1.1 with content, RFC 9110 section 10.1.1.</summary>
    public bool ExpectsContinue => _state.ExpectsContinue;

    /// <summary>HTTP/1.1 and Expect has a member that is not 100-continue: 417 is allowed.</summary>
    public bool HasUnknownExpectation => _state.HasUnknownExpectation;

    /// <summary>TE has the member trailers.</summary>
    public bool AcceptsTrailers => _state.AcceptsTrailers;

    /// <summary>Bytes skipped before the request line (empty lines); the method stands here.</summary>
    public int Start => _state.Start;

    /// <summary>Where the field lines begin.</summary>
    public int FieldsStart => _state.FieldsStart;

    /// <summary>Bytes of the whole head from offset 0 of the buffer, final empty line included: the body begins here.</summary>
    public int Length => _state.Length;

    /// <summary>Field-line bytes used up of the limit, for the trailer parser.</summary>
    public int FieldsLength => _state.FieldsLength;

    internal ref State Mutable => ref _state;

    public void Reset() => _state = State.Empty;

    internal void Add(in FieldLine line)
    {
        if (_state.FieldCount == _fields.Length)
        {
            // Bounded by Http1Limits.HeaderCountMax; kept for the next request.
            Array.Resize(ref _fields, _fields.Length * 2);
        }

        Debug.Assert(_state.FieldCount < _fields.Length);
        _fields[_state.FieldCount++] = line;
    }

    internal struct State
    {
        public static readonly State Empty = new() { HostIndex = -1 };

        public int MethodLength;
        public int TargetStart;
        public int TargetLength;
        public int PathStart;
        public int PathLength;
        public int QueryStart;
        public int QueryLength;
        public int AuthorityStart;
        public int AuthorityLength;
        public int FieldCount;
        public int HostIndex;
        public int Start;
        public int FieldsStart;
        public int FieldsLength;
        public int Length;
        public long ContentLength;
        public HttpMethod Method;
        public RequestTargetForm TargetForm;
        public HttpVersion Version;
        public BodyKind Body;
        public bool IsHttpsTarget;
        public bool PathNeedsDecoding;
        public bool HostFromTarget;
        public bool KeepAlive;
        public bool ConnectionUpgrade;
        public bool HasUpgradeField;
        public bool ExpectsContinue;
        public bool HasUnknownExpectation;
        public bool AcceptsTrailers;

        // What BodyFraming learned so far; settled when the head is complete.
        public bool HasContentLength;
        public bool HasTransferEncoding;
        public bool HasChunkedCoding;
        public bool HasOtherCoding;
        public bool LastCodingIsChunked;
        public bool OptionClose;
        public bool OptionKeepAlive;
        public bool OptionUpgrade;
        public bool Expect100;
        public int TransferEncodingAt;
    }
}
