using System;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text;
using Aeronet.Http.Semantics;

namespace Aeronet.Http.Http1;

/// <summary>The field lines that decide where the request ends, whom it is for and how the connection goes on.</summary>
/// <remarks>One call per such field line while the head is read, one when it is complete: no second pass over the fields.</remarks>
internal static class BodyFraming
{
    /// <summary>Looks at a field line up to <see cref="KnownHeaders.LastFramingHeader"/>. The line is not yet in the head's list.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static RejectionReason OnField(ReadOnlySpan<byte> buffered, in FieldLine line, ref RequestHead.State head, out int badAt)
    {
        Debug.Assert(line.Name != KnownHeader.Unknown);
        Debug.Assert(line.Name <= KnownHeaders.LastFramingHeader);
        ReadOnlySpan<byte> value = buffered.Slice(line.ValueStart, line.ValueLength);
        badAt = line.ValueStart;
        switch (line.Name)
        {
            case KnownHeader.Host:
                return OnHost(value, line, ref head, out badAt);
            case KnownHeader.ContentLength:
                return OnContentLength(value, line, ref head, out badAt);
            case KnownHeader.TransferEncoding:
                return OnTransferEncoding(value, line, ref head, out badAt);
            case KnownHeader.Connection:
                OnConnection(value, ref head);
                return RejectionReason.None;
            case KnownHeader.Expect:
                OnExpect(value, ref head);
                return RejectionReason.None;
            case KnownHeader.TE:
                OnTE(value, ref head);
                return RejectionReason.None;
            default:
                Debug.Assert(line.Name == KnownHeader.Upgrade);
                head.HasUpgradeField = true;
                return RejectionReason.None;
        }
    }

    /// <summary>Judges what only the whole head can show, and settles the derived properties.</summary>
    public static RejectionReason Settle(ReadOnlySpan<byte> buffered, RequestHead head, Http1Limits limits, out int badAt)
    {
        ref RequestHead.State state = ref head.Mutable;
        badAt = state.FieldsStart + state.FieldsLength;
        RejectionReason reason = SettleHost(buffered, head, limits, ref badAt);
        if (reason != RejectionReason.None)
        {
            return reason;
        }

        if (state.HasTransferEncoding)
        {
            badAt = state.TransferEncodingAt;
            reason = SettleTransferEncoding(ref state);
            if (reason != RejectionReason.None)
            {
                return reason;
            }
        }
        else if (state.HasContentLength)
        {
            state.Body = BodyKind.ContentLength;
        }
        else if (state.Version == HttpVersion.Http10 && (state.Method is HttpMethod.Post or HttpMethod.Put))
        {
            badAt = state.Start;
            return RejectionReason.LengthRequiredHttp10;
        }

        bool isHttp11 = state.Version == HttpVersion.Http11;
        state.KeepAlive = !state.OptionClose && (isHttp11 || state.OptionKeepAlive);
        state.ExpectsContinue = state.Expect100 && isHttp11 && head.HasContent;
        // RFC 9110 sections 7.8 and 10.1.1: an HTTP/1.0 message means neither Upgrade nor Expect.
        state.ConnectionUpgrade = state.OptionUpgrade && isHttp11 && !head.HasContent;
        state.HasUnknownExpectation &= isHttp11;
        return RejectionReason.None;
    }

    private static RejectionReason OnHost(ReadOnlySpan<byte> value, in FieldLine line, ref RequestHead.State head, out int badAt)
    {
        badAt = line.NameStart;
        if (head.HostIndex >= 0)
        {
            return RejectionReason.MultipleHostHeaders;
        }

        head.HostIndex = head.FieldCount;
        badAt = line.ValueStart;
        return HostSyntax.IsValid(value) ? RejectionReason.None : RejectionReason.InvalidHostHeader;
    }

    /// <summary>1*DIGIT, once. Lists and repetitions are refused even when all values agree: readers differ on them (RFC 9110 section 8.6).</summary>
    private static RejectionReason OnContentLength(ReadOnlySpan<byte> value, in FieldLine line, ref RequestHead.State head, out int badAt)
    {
        badAt = line.NameStart;
        if (head.HasContentLength)
        {
            return RejectionReason.MultipleContentLengths;
        }

        if (head.HasTransferEncoding)
        {
            return RejectionReason.ContentLengthWithTransferEncoding;
        }

        badAt = line.ValueStart;
        if (value.IsEmpty)
        {
            return RejectionReason.InvalidContentLength;
        }

        long length = 0;
        for (int i = 0; i < value.Length; i++)
        {
            int digit = value[i] - '0';
            if ((uint)digit > 9 || length > (long.MaxValue - digit) / 10)
            {
                badAt = line.ValueStart + i;
                return RejectionReason.InvalidContentLength;
            }

            length = (length * 10) + digit;
        }

        Debug.Assert(length >= 0);
        head.HasContentLength = true;
        head.ContentLength = length;
        return RejectionReason.None;
    }

    private static RejectionReason OnTransferEncoding(ReadOnlySpan<byte> value, in FieldLine line, ref RequestHead.State head, out int badAt)
    {
        badAt = line.NameStart;
        if (head.HasContentLength)
        {
            return RejectionReason.ContentLengthWithTransferEncoding;
        }

        if (head.Version == HttpVersion.Http10)
        {
            return RejectionReason.TransferEncodingOnHttp10;
        }

        badAt = line.ValueStart;
        head.HasTransferEncoding = true;
        head.TransferEncodingAt = line.ValueStart;
        while (FieldSyntax.TryTakeListMember(ref value, out ReadOnlySpan<byte> coding))
        {
            if (Ascii.EqualsIgnoreCase(coding, "chunked"u8))
            {
                if (head.HasChunkedCoding)
                {
                    return RejectionReason.ChunkedTwice;
                }

                head.HasChunkedCoding = true;
                head.LastCodingIsChunked = true;
                continue;
            }

            // chunked defines no parameters (RFC 9112 section 7.1), so "chunked;a=b" is malformed rather than another coding.
            ReadOnlySpan<byte> name = CodingName(coding);
            if (!FieldSyntax.IsToken(name) || Ascii.EqualsIgnoreCase(name, "chunked"u8))
            {
                return RejectionReason.InvalidTransferEncoding;
            }

            head.HasOtherCoding = true;
            head.LastCodingIsChunked = false;
        }

        return RejectionReason.None;
    }

    private static ReadOnlySpan<byte> CodingName(ReadOnlySpan<byte> coding)
    {
        int semicolon = coding.IndexOf((byte)';');
        return semicolon < 0 ? coding : FieldSyntax.TrimWhitespace(coding[..semicolon]);
    }

    private static RejectionReason SettleTransferEncoding(ref RequestHead.State head)
    {
        Debug.Assert(!head.HasContentLength);
        if (!head.HasChunkedCoding && !head.HasOtherCoding)
        {
            return RejectionReason.InvalidTransferEncoding;
        }

        if (!head.LastCodingIsChunked)
        {
            return RejectionReason.FinalTransferCodingNotChunked;
        }

        if (head.HasOtherCoding)
        {
            return RejectionReason.UnsupportedTransferCoding;
        }

        head.Body = BodyKind.Chunked;
        return RejectionReason.None;
    }

    private static void OnConnection(ReadOnlySpan<byte> value, ref RequestHead.State head)
    {
        while (FieldSyntax.TryTakeListMember(ref value, out ReadOnlySpan<byte> option))
        {
            switch (option.Length)
            {
                case 5:
                    head.OptionClose |= Ascii.EqualsIgnoreCase(option, "close"u8);
                    break;
                case 7:
                    head.OptionUpgrade |= Ascii.EqualsIgnoreCase(option, "upgrade"u8);
                    break;
                case 10:
                    head.OptionKeepAlive |= Ascii.EqualsIgnoreCase(option, "keep-alive"u8);
                    break;
            }
        }
    }

    private static void OnExpect(ReadOnlySpan<byte> value, ref RequestHead.State head)
    {
        while (FieldSyntax.TryTakeListMember(ref value, out ReadOnlySpan<byte> expectation))
        {
            bool is100 = Ascii.EqualsIgnoreCase(expectation, "100-continue"u8);
            head.Expect100 |= is100;
            head.HasUnknownExpectation |= !is100;
        }
    }

    private static void OnTE(ReadOnlySpan<byte> value, ref RequestHead.State head)
    {
        while (FieldSyntax.TryTakeListMember(ref value, out ReadOnlySpan<byte> coding))
        {
            head.AcceptsTrailers |= Ascii.EqualsIgnoreCase(coding, "trailers"u8);
        }
    }

    private static RejectionReason SettleHost(ReadOnlySpan<byte> buffered, RequestHead head, Http1Limits limits, ref int badAt)
    {
        ref RequestHead.State state = ref head.Mutable;
        if (state.HostIndex < 0)
        {
            if (state.Version == HttpVersion.Http11)
            {
                return RejectionReason.MissingHostHeader;
            }

            state.HostFromTarget = state.AuthorityLength > 0;
            return RejectionReason.None;
        }

        if (state.AuthorityLength == 0)
        {
            return RejectionReason.None;
        }

        FieldLine host = head.Fields[state.HostIndex];
        int defaultPort = state.IsHttpsTarget ? 443 : 80;
        if (!HostSyntax.AreEqual(
            buffered.Slice(state.AuthorityStart, state.AuthorityLength), buffered.Slice(host.ValueStart, host.ValueLength), defaultPort))
        {
            badAt = host.ValueStart;
            state.HostFromTarget = limits.AllowHostHeaderOverride && state.TargetForm == RequestTargetForm.Absolute;
            return state.HostFromTarget ? RejectionReason.None : RejectionReason.HostMismatch;
        }

        return RejectionReason.None;
    }
}
