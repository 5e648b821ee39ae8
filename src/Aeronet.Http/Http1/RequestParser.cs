using System;
using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Aeronet.Http.Semantics;

namespace Aeronet.Http.Http1;

internal enum ParseStatus : byte { NeedMore, Done, Failed }

/// <summary>The request head of RFC 9112 sections 2 to 6: request line and field lines, strict, resumable.</summary>
/// <remarks>
/// <code>
/// AwaitingRequestLine --request line--> AwaitingFieldLines --empty line--> Complete
///        |  ^  empty line: skipped            |  ^  field line
///        |  +--                               |  +--
///        +----------------- fault ------------+---------------------------> Failed
/// </code>
/// A line is judged once, when it is complete; the search for its end goes on where it stopped (<see cref="LineReader"/>).
/// </remarks>
internal struct RequestParser
{
    private static readonly ulong s_http11 = BinaryPrimitives.ReadUInt64LittleEndian("HTTP/1.1"u8);
    private static readonly ulong s_http10 = BinaryPrimitives.ReadUInt64LittleEndian("HTTP/1.0"u8);

    private const int VersionLength = 8;

    // M SP / SP HTTP/1.1
    private const int RequestLineLengthMin = 3 + 1 + VersionLength;

    private enum Stage : byte { AwaitingRequestLine, AwaitingFieldLines, Complete, Failed }

    private LineReader _lines;
    private Stage _stage;
    private bool _hasStarted;

    /// <summary>A byte of something else than an empty line was seen: silence now is a 408, before it a quiet close.</summary>
    public readonly bool HasStarted => _hasStarted;

    /// <summary>No byte before this offset is searched again; for tests of linearity.</summary>
    public readonly int Examined => _lines.Examined;

    public void Reset() => this = default;

    /// <summary>Goes on with the request that starts at <paramref name="buffered"/>[0].</summary>
    /// <param name="buffered">All bytes from the request's first byte, contiguous. May have moved in memory since the last call; the known prefix must be the same.</param>
    /// <param name="limits">The same in each call for one request.</param>
    /// <param name="head">Reset by the first call for a request; complete after Done.</param>
    /// <param name="error">Set when the result is Failed.</param>
    public ParseStatus Parse(ReadOnlySpan<byte> buffered, Http1Limits limits, RequestHead head, out ProtocolError error)
    {
        Debug.Assert(_stage is Stage.AwaitingRequestLine or Stage.AwaitingFieldLines);
        Debug.Assert(_lines.Examined <= buffered.Length);
        error = default;
        if (_stage == Stage.AwaitingRequestLine)
        {
            ParseStatus status = ReadRequestLine(buffered, limits, head, ref error);
            if (status != ParseStatus.Done)
            {
                return status;
            }

            _stage = Stage.AwaitingFieldLines;
        }

        return ReadFieldLines(buffered, limits, head, ref error);
    }

    private ParseStatus ReadRequestLine(ReadOnlySpan<byte> buffered, Http1Limits limits, RequestHead head, ref ProtocolError error)
    {
        if (_lines.Examined == 0)
        {
            head.Reset();
            // A TLS record header; its second byte would be refused as a control anyway, but not by its name.
            if (!buffered.IsEmpty && buffered[0] == 0x16)
            {
                return RefuseHandshake(buffered, head, ref error);
            }
        }

        while (true)
        {
            int start = _lines.LineStart;
            LineStatus status = _lines.Read(buffered, limits.RequestLineSizeMax, limits.AllowLineFeedTerminators);
            if (status == LineStatus.Line)
            {
                if (_lines.LineEnd == start)
                {
                    continue; // RFC 9112 section 2.2: empty lines before the request line are skipped; they count towards the limit
                }

                _hasStarted = true;
                ref RequestHead.State state = ref head.Mutable;
                state.Start = start;
                state.FieldsStart = _lines.LineStart;
                RejectionReason reason = JudgeRequestLine(buffered, start, _lines.LineEnd, limits, ref state, out int badAt);
                return reason == RejectionReason.None ? ParseStatus.Done : Fail(reason, buffered, badAt, head, ref error);
            }

            head.Mutable.Start = start;
            _hasStarted |= status != LineStatus.NeedMore || _lines.Examined > start;
            return status switch
            {
                LineStatus.NeedMore => ParseStatus.NeedMore,
                LineStatus.TooLong => Fail(RejectionReason.RequestLineTooLong, buffered, limits.RequestLineSizeMax, head, ref error),
                _ => Fail(_lines.BadReason(buffered), buffered, _lines.BadAt, head, ref error),
            };
        }
    }

    /// <summary>method SP request-target SP HTTP-version, exactly one space each: other readers may split elsewhere (RFC 9112 section 3).</summary>
    private static RejectionReason JudgeRequestLine(ReadOnlySpan<byte> buffered, int start, int end, Http1Limits limits, ref RequestHead.State head, out int badAt)
    {
        ReadOnlySpan<byte> line = buffered[start..end];
        head.Method = HttpMethods.LookupAtStartOf(line, out int methodLength);
        if (methodLength == 0)
        {
            RejectionReason reason = JudgeUncommonMethod(line, start, ref head, out methodLength, out badAt);
            if (reason != RejectionReason.None)
            {
                return reason;
            }
        }

        head.MethodLength = methodLength;
        int targetStart = methodLength + 1;
        int targetEnd = line.Length - VersionLength - 1;
        if (line.Length < RequestLineLengthMin || targetEnd <= targetStart || line[targetEnd] != (byte)' ')
        {
            return JudgeOddVersion(line, start, methodLength, out badAt);
        }

        ulong version = BinaryPrimitives.ReadUInt64LittleEndian(line[(targetEnd + 1)..]);
        if (version == s_http11)
        {
            head.Version = HttpVersion.Http11;
        }
        else if (version == s_http10)
        {
            head.Version = HttpVersion.Http10;
        }
        else
        {
            return JudgeOddVersion(line, start, methodLength, out badAt);
        }

        if (head.Method == HttpMethod.Other && limits.RejectUnknownMethods)
        {
            badAt = start;
            return RejectionReason.UnknownMethod;
        }

        head.TargetStart = start + targetStart;
        head.TargetLength = targetEnd - targetStart;
        return RequestTarget.Judge(buffered, ref head, out badAt);
    }

    private static RejectionReason JudgeUncommonMethod(ReadOnlySpan<byte> line, int start, ref RequestHead.State head, out int methodLength, out int badAt)
    {
        methodLength = line.IndexOf((byte)' ');
        badAt = start;
        if (methodLength <= 0)
        {
            int bad = FieldSyntax.IndexOfNonToken(line);
            badAt = bad < 0 ? start + line.Length : start + bad;
            return RejectionReason.InvalidRequestLine;
        }

        int nonToken = FieldSyntax.IndexOfNonToken(line[..methodLength]);
        if (nonToken >= 0)
        {
            badAt = start + nonToken;
            return RejectionReason.InvalidMethod;
        }

        head.Method = HttpMethods.Lookup(line[..methodLength]);
        return RejectionReason.None;
    }

    /// <summary>The line does not end in a version that is served: 505 if it is a version at all, else 400.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static RejectionReason JudgeOddVersion(ReadOnlySpan<byte> line, int start, int methodLength, out int badAt)
    {
        int space = line.LastIndexOf((byte)' ');
        ReadOnlySpan<byte> version = line[(space + 1)..];
        if (space <= methodLength + 1)
        {
            // Two parts (maybe with a HTAB for the second space), or nothing between the spaces.
            int tab = line.IndexOf((byte)'\t');
            badAt = start + (space > methodLength ? methodLength + 1 : tab < 0 ? line.Length : tab);
            return RejectionReason.InvalidRequestLine;
        }

        badAt = start + space + 1;
        bool isVersion = version.Length == VersionLength && version.StartsWith("HTTP/"u8) && version[6] == (byte)'.'
            && char.IsAsciiDigit((char)version[5]) && char.IsAsciiDigit((char)version[7]);
        if (!isVersion)
        {
            return RejectionReason.InvalidRequestLine;
        }

        return line.SequenceEqual("PRI * HTTP/2.0"u8) ? RejectionReason.Http2Preface : RejectionReason.UnrecognizedHttpVersion;
    }

    private ParseStatus ReadFieldLines(ReadOnlySpan<byte> buffered, Http1Limits limits, RequestHead head, ref ProtocolError error)
    {
        // The empty line at the end is free. Compared as long: a limit near Int32.MaxValue must not wrap.
        int limit = (int)Math.Min(int.MaxValue, (long)head.FieldsStart + limits.HeadersTotalSizeMax + 2);
        while (true)
        {
            int start = _lines.LineStart;
            if (start < buffered.Length && start < limit)
            {
                RejectionReason reason = JudgeLineStart(buffered[start], limits, head);
                if (reason != RejectionReason.None)
                {
                    return Fail(reason, buffered, start, head, ref error);
                }
            }

            LineStatus status = _lines.Read(buffered, limit, limits.AllowLineFeedTerminators);
            if (status != LineStatus.Line)
            {
                return status switch
                {
                    LineStatus.NeedMore => ParseStatus.NeedMore,
                    LineStatus.TooLong => Fail(RejectionReason.HeadersExceedMaxTotalSize, buffered, limit, head, ref error),
                    _ => Fail(_lines.BadReason(buffered), buffered, _lines.BadAt, head, ref error),
                };
            }

            if (_lines.LineEnd == start)
            {
                return Complete(buffered, limits, head, start, ref error);
            }

            RejectionReason fault = FieldLineSyntax.Split(buffered, start, _lines.LineEnd, out FieldLine line, out int badAt);
            if (fault == RejectionReason.None && line.Name is not KnownHeader.Unknown and <= KnownHeaders.LastFramingHeader)
            {
                fault = BodyFraming.OnField(buffered, line, ref head.Mutable, out badAt);
            }

            if (fault != RejectionReason.None)
            {
                return Fail(fault, buffered, badAt, head, ref error);
            }

            head.Add(line);
        }
    }

    /// <summary>What the first byte of a line decides, before the line is complete.</summary>
    private static RejectionReason JudgeLineStart(byte first, Http1Limits limits, RequestHead head)
    {
        if (first is (byte)'\r' or (byte)'\n')
        {
            return RejectionReason.None; // the end of the head; the line reader judges the line end
        }

        if (FieldSyntax.IsWhitespace(first))
        {
            return head.FieldCount == 0 ? RejectionReason.WhitespaceBeforeFirstField : RejectionReason.ObsoleteLineFolding;
        }

        return head.FieldCount >= limits.HeaderCountMax ? RejectionReason.TooManyHeaders : RejectionReason.None;
    }

    private ParseStatus Complete(ReadOnlySpan<byte> buffered, Http1Limits limits, RequestHead head, int emptyLineStart, ref ProtocolError error)
    {
        ref RequestHead.State state = ref head.Mutable;
        state.FieldsLength = emptyLineStart - state.FieldsStart;
        state.Length = _lines.LineStart;
        RejectionReason reason = BodyFraming.Settle(buffered, head, limits, out int badAt);
        if (reason != RejectionReason.None)
        {
            return Fail(reason, buffered, badAt, head, ref error);
        }

        Debug.Assert(state.Length <= buffered.Length);
        Debug.Assert(state.FieldsLength <= limits.HeadersTotalSizeMax);
        Debug.Assert(state.FieldCount <= limits.HeaderCountMax);
        _stage = Stage.Complete;
        return ParseStatus.Done;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private ParseStatus RefuseHandshake(ReadOnlySpan<byte> buffered, RequestHead head, ref ProtocolError error)
    {
        _hasStarted = true;
        if (buffered.Length == 1)
        {
            return ParseStatus.NeedMore;
        }

        RejectionReason reason = buffered[1] == 0x03 ? RejectionReason.TlsOverHttp : RejectionReason.ControlCharacter;
        return Fail(reason, buffered, 0, head, ref error);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private ParseStatus Fail(RejectionReason reason, ReadOnlySpan<byte> buffered, int at, RequestHead head, ref ProtocolError error)
    {
        Debug.Assert(reason != RejectionReason.None);
        Debug.Assert(at >= 0);
        Debug.Assert(at <= buffered.Length);
        int field = FieldIndexAt(at, head);
        error = ProtocolError.Create(reason, at, Excerpt.Escape(buffered, at)) with
        {
            Line = field + 2,
            FieldIndex = reason == RejectionReason.MissingHostHeader ? -1 : field,
        };
        _stage = Stage.Failed;
        return ParseStatus.Failed;
    }

    /// <summary>-1 in the request line; the number of complete field lines when the fault is in the line behind them.</summary>
    private static int FieldIndexAt(int at, RequestHead head)
    {
        if (head.FieldsStart == 0 || at < head.FieldsStart)
        {
            return -1;
        }

        ReadOnlySpan<FieldLine> fields = head.Fields;
        int index = fields.Length;
        while (index > 0 && at <= fields[index - 1].ValueStart + fields[index - 1].ValueLength)
        {
            index--;
        }

        return index;
    }
}
