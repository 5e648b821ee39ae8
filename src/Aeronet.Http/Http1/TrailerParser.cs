using System;
using System.Diagnostics;
using Aeronet.Http.Semantics;

namespace Aeronet.Http.Http1;

/// <summary>The trailer fields of one request, as offsets into the trailer section's bytes.</summary>
internal sealed class TrailerSection
{
    private FieldLine[] _fields = [];

    public ReadOnlySpan<FieldLine> Fields => _fields.AsSpan(0, Count);

    public int Count { get; private set; }

    /// <summary>Bytes of the section, its final empty line included; the next request begins here. Valid after Done.</summary>
    public int Length { get; internal set; }

    public void Reset()
    {
        Count = 0;
        Length = 0;
    }

    internal void Add(in FieldLine line)
    {
        if (Count == _fields.Length)
        {
            Array.Resize(ref _fields, Math.Max(4, _fields.Length * 2));
        }

        _fields[Count++] = line;
    }
}

/// <summary>The trailer section behind the last chunk, RFC 9112 section 7.1.2: field lines up to an empty line, nothing that changes framing or routing.</summary>
internal struct TrailerParser
{
    private LineReader _lines;
    private long _offsetInRequest;
    private int _fieldBytesUsed;
    private int _fieldCountUsed;

    /// <summary>No byte before this offset is searched again; for tests of linearity.</summary>
    public readonly int Examined => _lines.Examined;

    /// <param name="offsetInRequest">Where the section begins, see <see cref="ChunkedReader.OffsetInRequest"/>.</param>
    /// <param name="fieldBytesUsed">Bytes the header section took of the limit, <see cref="RequestHead.FieldsLength"/>.</param>
    /// <param name="fieldCountUsed">Fields the header section took of the limit, <see cref="RequestHead.FieldCount"/>.</param>
    public void Reset(long offsetInRequest, int fieldBytesUsed, int fieldCountUsed)
    {
        Debug.Assert(offsetInRequest >= 0);
        Debug.Assert(fieldBytesUsed >= 0);
        Debug.Assert(fieldCountUsed >= 0);
        this = default;
        _offsetInRequest = offsetInRequest;
        _fieldBytesUsed = fieldBytesUsed;
        _fieldCountUsed = fieldCountUsed;
    }

    /// <summary>Goes on with the section that starts at <paramref name="buffered"/>[0].</summary>
    /// <param name="buffered">All bytes from the section's first byte, contiguous; may have moved since the last call.</param>
    /// <param name="limits">The same in each call for one request.</param>
    /// <param name="into">Reset by the first call for a section; complete after Done.</param>
    /// <param name="error">Set when the result is Failed.</param>
    public ParseStatus Parse(ReadOnlySpan<byte> buffered, Http1Limits limits, TrailerSection into, out ProtocolError error)
    {
        error = default;
        if (_lines.Examined == 0)
        {
            into.Reset();
        }

        // The empty line at the end is free, as in the header section.
        int limit = (int)Math.Min(int.MaxValue, (long)Math.Max(0, limits.HeadersTotalSizeMax - _fieldBytesUsed) + 2);
        while (true)
        {
            int start = _lines.LineStart;
            if (start < buffered.Length && start < limit)
            {
                RejectionReason early = JudgeLineStart(buffered[start], limits, into);
                if (early != RejectionReason.None)
                {
                    return Fail(early, buffered, start, into, out error);
                }
            }

            switch (_lines.Read(buffered, limit, limits.AllowLineFeedTerminators))
            {
                case LineStatus.NeedMore:
                    return ParseStatus.NeedMore;
                case LineStatus.TooLong:
                    return Fail(RejectionReason.HeadersExceedMaxTotalSize, buffered, limit, into, out error);
                case LineStatus.Bad:
                    return Fail(_lines.BadReason(buffered), buffered, _lines.BadAt, into, out error);
            }

            if (_lines.LineEnd == start)
            {
                into.Length = _lines.LineStart;
                Debug.Assert(into.Length <= buffered.Length);
                return ParseStatus.Done;
            }

            RejectionReason reason = FieldLineSyntax.Split(buffered, start, _lines.LineEnd, out FieldLine line, out int badAt);
            if (reason == RejectionReason.None && TrailerFields.IsForbidden(line.Name))
            {
                reason = RejectionReason.ForbiddenTrailer;
                badAt = start;
            }

            if (reason != RejectionReason.None)
            {
                return Fail(reason, buffered, badAt, into, out error);
            }

            into.Add(line);
        }
    }

    private readonly RejectionReason JudgeLineStart(byte first, Http1Limits limits, TrailerSection section)
    {
        if (first is (byte)'\r' or (byte)'\n')
        {
            return RejectionReason.None;
        }

        if (FieldSyntax.IsWhitespace(first))
        {
            return section.Count == 0 ? RejectionReason.WhitespaceBeforeFirstField : RejectionReason.ObsoleteLineFolding;
        }

        return _fieldCountUsed + section.Count >= limits.HeaderCountMax ? RejectionReason.TooManyHeaders : RejectionReason.None;
    }

    private readonly ParseStatus Fail(RejectionReason reason, ReadOnlySpan<byte> buffered, int at, TrailerSection section, out ProtocolError error)
    {
        Debug.Assert(at >= 0);
        Debug.Assert(at <= buffered.Length);
        error = ProtocolError.Create(reason, _offsetInRequest + at, Excerpt.Escape(buffered, at)) with { FieldIndex = section.Count };
        return ParseStatus.Failed;
    }
}
