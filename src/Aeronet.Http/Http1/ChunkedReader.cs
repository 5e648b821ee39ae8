using System;
using System.Diagnostics;
using Aeronet.Http.Semantics;

namespace Aeronet.Http.Http1;

internal enum ChunkedStatus : byte
{
    /// <summary>All input was framing and is consumed.</summary>
    NeedMore,

    /// <summary>Content follows the consumed framing.</summary>
    Data,

    /// <summary>The last chunk's line is consumed: the trailer section follows.</summary>
    Trailers,

    Failed,
}

/// <summary>The chunked transfer coding, RFC 9112 section 7.1: one pass over the framing, content is never looked at.</summary>
/// <remarks>
/// Extensions are checked byte by byte against the grammar of section 7.1.1: whoever skips over a lone CR or LF in them ends the line
/// elsewhere than the proxy in front did (CVE-2025-55315).
/// <code>
/// Size --digit--> SizeDigits --";"--> ExtensionName ... --CR--> SizeLineFeed --LF--> Content --> ContentCarriageReturn
///  ^                  |                                              |                                   |
///  |                  +--CR------------------------------------------+ size 0: --> Trailers              |
///  +-------------------------------------LF-------------------- ContentLineFeed &lt;---------CR------------+
/// </code>
/// </remarks>
internal struct ChunkedReader
{
    private enum Stage : byte
    {
        Size,
        SizeDigits,
        WhitespaceAfterSize,
        ExtensionNameStart,
        ExtensionName,
        WhitespaceAfterName,
        ExtensionValueStart,
        ExtensionValue,
        QuotedValue,
        QuotedPair,
        AfterQuotedValue,
        WhitespaceAfterValue,
        SizeLineFeed,
        Content,
        ContentCarriageReturn,
        ContentLineFeed,
        Trailers,
        Failed,
    }

    private Stage _stage;
    private int _digits;
    private long _extensionBytes;

    // Size of the current chunk while its line is read, then what is left of its content.
    private long _remaining;

    private long _offsetInRequest;
    private long _overhead;

    /// <summary>Framing bytes consumed so far; the caller counts them towards the body limit.</summary>
    public readonly long OverheadBytes => _overhead;

    /// <summary>Offset of the next input byte from the start of the request; where the trailer section begins once the status is Trailers.</summary>
    public readonly long OffsetInRequest => _offsetInRequest;

    public void Reset(long offsetInRequest)
    {
        Debug.Assert(offsetInRequest >= 0);
        this = default;
        _offsetInRequest = offsetInRequest;
    }

    /// <summary>Reads framing up to content, the end of the input or the trailer section.</summary>
    /// <param name="input">Goes on where the last call's consumed bytes and taken content ended.</param>
    /// <param name="limits">The same in each call for one request.</param>
    /// <param name="consumed">Framing bytes to drop from the front of the input, whatever the status.</param>
    /// <param name="dataLength">With Data: at least one byte of content follows the consumed ones in this input. Take some of it with <see cref="TakeData"/>.</param>
    /// <param name="error">Set when the result is Failed.</param>
    public ChunkedStatus Read(ReadOnlySpan<byte> input, Http1Limits limits, out int consumed, out int dataLength, out ProtocolError error)
    {
        Debug.Assert(_stage < Stage.Trailers);
        error = default;
        dataLength = 0;
        int at = 0;
        while (at < input.Length && _stage != Stage.Content)
        {
            RejectionReason reason = OnFramingByte(input[at], limits);
            if (reason != RejectionReason.None)
            {
                error = ProtocolError.Create(reason, _offsetInRequest + at, Excerpt.Escape(input, at));
                _stage = Stage.Failed;
                Consume(at, out consumed);
                return ChunkedStatus.Failed;
            }

            at++;
            if (_stage == Stage.Trailers)
            {
                Consume(at, out consumed);
                return ChunkedStatus.Trailers;
            }
        }

        Consume(at, out consumed);
        if (_stage != Stage.Content || at == input.Length)
        {
            return ChunkedStatus.NeedMore;
        }

        Debug.Assert(_remaining > 0);
        dataLength = (int)Math.Min(_remaining, input.Length - at);
        return ChunkedStatus.Data;
    }

    /// <summary>The caller took so many of the content bytes that Read announced.</summary>
    public void TakeData(int count)
    {
        Debug.Assert(_stage == Stage.Content);
        Debug.Assert(count >= 0);
        Debug.Assert(count <= _remaining);
        _remaining -= count;
        _offsetInRequest += count;
        if (_remaining == 0)
        {
            _stage = Stage.ContentCarriageReturn;
        }
    }

    private void Consume(int count, out int consumed)
    {
        consumed = count;
        _offsetInRequest += count;
        _overhead += count;
    }

    private RejectionReason OnFramingByte(byte value, Http1Limits limits)
    {
        switch (_stage)
        {
            case Stage.Size:
            case Stage.SizeDigits:
                return OnSizeByte(value, limits);
            case Stage.SizeLineFeed:
                return value == (byte)'\n' ? EndSizeLine() : RejectionReason.BareCarriageReturn;
            case Stage.ContentCarriageReturn:
                _stage = Stage.ContentLineFeed;
                return value == (byte)'\r' ? RejectionReason.None : RejectionReason.BadChunkSuffix;
            case Stage.ContentLineFeed:
                _stage = Stage.Size;
                _digits = 0;
                return value == (byte)'\n' ? RejectionReason.None : RejectionReason.BadChunkSuffix;
            default:
                return OnExtensionByte(value, limits);
        }
    }

    private RejectionReason OnSizeByte(byte value, Http1Limits limits)
    {
        int digit = HexValue(value);
        if (digit >= 0)
        {
            _remaining = (_remaining << 4) + digit;
            _digits++;
            _stage = Stage.SizeDigits;
            return _digits > limits.ChunkSizeDigitsMax || _remaining > int.MaxValue
                ? RejectionReason.BadChunkSizeData
                : RejectionReason.None;
        }

        if (_stage == Stage.Size)
        {
            return RejectionReason.BadChunkSizeData;
        }

        switch (value)
        {
            case (byte)'\r':
                _stage = Stage.SizeLineFeed;
                return RejectionReason.None;
            case (byte)'\n' when limits.AllowLineFeedTerminators:
                return EndSizeLine();
            case (byte)'\n':
                return RejectionReason.BareLineFeed;
            case (byte)';':
                _stage = Stage.ExtensionNameStart;
                return CountExtensionByte(limits);
            case (byte)' ' or (byte)'\t':
                _stage = Stage.WhitespaceAfterSize;
                return CountExtensionByte(limits);
            default:
                return RejectionReason.BadChunkSizeData;
        }
    }

    private RejectionReason EndSizeLine()
    {
        _stage = _remaining == 0 ? Stage.Trailers : Stage.Content;
        return RejectionReason.None;
    }

    private RejectionReason CountExtensionByte(Http1Limits limits) =>
        ++_extensionBytes > limits.ChunkExtensionsSizeMax ? RejectionReason.ChunkExtensionsTooLong : RejectionReason.None;

    /// <summary>chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ). White space at the end of the line has no place in it.</summary>
    private RejectionReason OnExtensionByte(byte value, Http1Limits limits)
    {
        Stage next = NextExtensionStage(_stage, value);
        if (next == Stage.Failed)
        {
            return RejectionReason.BadChunkExtension;
        }

        _stage = next;
        return CountExtensionByte(limits);
    }

    private static Stage NextExtensionStage(Stage stage, byte value)
    {
        bool isWhitespace = FieldSyntax.IsWhitespace(value);
        bool isToken = FieldSyntax.IsTokenByte(value);
        switch (stage)
        {
            case Stage.WhitespaceAfterSize:
                return isWhitespace ? stage : value == (byte)';' ? Stage.ExtensionNameStart : Stage.Failed;
            case Stage.ExtensionNameStart:
                return isWhitespace ? stage : isToken ? Stage.ExtensionName : Stage.Failed;
            case Stage.ExtensionName:
                return isToken ? stage
                    : isWhitespace ? Stage.WhitespaceAfterName
                    : value == (byte)'=' ? Stage.ExtensionValueStart
                    : AfterElement(value);
            case Stage.WhitespaceAfterName:
                return isWhitespace ? stage
                    : value == (byte)'=' ? Stage.ExtensionValueStart
                    : value == (byte)';' ? Stage.ExtensionNameStart : Stage.Failed;
            case Stage.ExtensionValueStart:
                return isWhitespace ? stage
                    : isToken ? Stage.ExtensionValue
                    : value == (byte)'"' ? Stage.QuotedValue : Stage.Failed;
            case Stage.ExtensionValue:
                return isToken ? stage : isWhitespace ? Stage.WhitespaceAfterValue : AfterElement(value);
            case Stage.QuotedValue:
                return value == (byte)'"' ? Stage.AfterQuotedValue
                    : value == (byte)'\\' ? Stage.QuotedPair
                    : IsText(value) ? stage : Stage.Failed;
            case Stage.QuotedPair:
                return IsText(value) ? Stage.QuotedValue : Stage.Failed;
            case Stage.AfterQuotedValue:
                return isWhitespace ? Stage.WhitespaceAfterValue : AfterElement(value);
            default:
                Debug.Assert(stage == Stage.WhitespaceAfterValue);
                return isWhitespace ? stage : value == (byte)';' ? Stage.ExtensionNameStart : Stage.Failed;
        }
    }

    private static Stage AfterElement(byte value) => value switch
    {
        (byte)';' => Stage.ExtensionNameStart,
        (byte)'\r' => Stage.SizeLineFeed,
        _ => Stage.Failed, // a lone LF too, even where the option accepts it elsewhere
    };

    // qdtext and what a quoted-pair may hold, RFC 9110 section 5.6.4: no control but HTAB.
    private static bool IsText(byte value) => value == (byte)'\t' || (value >= 0x20 && value != 0x7F);

    private static int HexValue(byte digit) => digit switch
    {
        >= (byte)'0' and <= (byte)'9' => digit - '0',
        >= (byte)'a' and <= (byte)'f' => digit - 'a' + 10,
        >= (byte)'A' and <= (byte)'F' => digit - 'A' + 10,
        _ => -1,
    };
}
