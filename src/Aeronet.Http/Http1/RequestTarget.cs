using System;
using System.Buffers;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text;
using Aeronet.Http.Semantics;

namespace Aeronet.Http.Http1;

/// <summary>The four forms of RFC 9112 section 3.2, judged once; results are offsets in the head.</summary>
/// <remarks>
/// Visible ASCII that RFC 3986 does not list (<c>" &lt; &gt; \ ^ ` { | }</c>) is accepted in path and query as Kestrel does: clients send
/// it unescaped and no reader splits a request there. Controls, spaces, bytes from 0x80 up and fragments are refused.
/// </remarks>
internal static class RequestTarget
{
    // Visible ASCII without what needs a closer look in a path: # % . ?
    private static readonly SearchValues<byte> s_plainPathBytes = SearchValues.Create(
        "!\"$&'()*+,-/0123456789:;<=>@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"u8);

    // Visible ASCII without #.
    private static readonly SearchValues<byte> s_queryBytes = SearchValues.Create(
        "!\"$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"u8);

    /// <summary>Judges [TargetStart, TargetStart + TargetLength) of a head whose method is known.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static RejectionReason Judge(ReadOnlySpan<byte> buffered, ref RequestHead.State head, out int badAt)
    {
        Debug.Assert(head.TargetLength > 0);
        ReadOnlySpan<byte> target = buffered.Slice(head.TargetStart, head.TargetLength);
        if (target[0] == (byte)'/' && head.Method != HttpMethod.Connect)
        {
            head.TargetForm = RequestTargetForm.Origin;
            return JudgePathAndQuery(buffered, head.TargetStart, head.TargetStart + head.TargetLength, ref head, out badAt);
        }

        return JudgeOtherForm(buffered, target, ref head, out badAt);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static RejectionReason JudgePathAndQuery(ReadOnlySpan<byte> buffered, int start, int end, ref RequestHead.State head, out int badAt)
    {
        head.PathStart = start;
        int special = buffered[start..end].IndexOfAnyExcept(s_plainPathBytes);
        if (special < 0)
        {
            head.PathLength = end - start;
            badAt = 0;
            return RejectionReason.None;
        }

        return JudgeSpecials(buffered, start + special, end, ref head, out badAt);
    }

    private static RejectionReason JudgeSpecials(ReadOnlySpan<byte> buffered, int at, int end, ref RequestHead.State head, out int badAt)
    {
        badAt = 0;
        ReadOnlySpan<byte> target = buffered[..end];
        while (true)
        {
            Debug.Assert(at < end);
            switch (target[at])
            {
                case (byte)'.':
                    // May be a name that starts with a dot; the decoder looks closer.
                    head.PathNeedsDecoding |= target[at - 1] == (byte)'/';
                    at++;
                    break;
                case (byte)'%' when RequestPath.IsGoodEscape(target, at):
                    head.PathNeedsDecoding = true;
                    at += 3;
                    break;
                case (byte)'%':
                    badAt = at;
                    return RejectionReason.InvalidPercentEncoding;
                case (byte)'?':
                    head.PathLength = at - head.PathStart;
                    head.QueryStart = at;
                    head.QueryLength = end - at;
                    int bad = target[at..].IndexOfAnyExcept(s_queryBytes);
                    badAt = at + bad;
                    return bad < 0 ? RejectionReason.None : ReasonFor(target[badAt]);
                default:
                    badAt = at;
                    return ReasonFor(target[at]);
            }

            int special = target[at..].IndexOfAnyExcept(s_plainPathBytes);
            if (special < 0)
            {
                head.PathLength = end - head.PathStart;
                return RejectionReason.None;
            }

            at += special;
        }
    }

    // A space means that the line has more than three parts.
    private static RejectionReason ReasonFor(byte bad) => FieldSyntax.IsWhitespace(bad) ? RejectionReason.InvalidRequestLine : RejectionReason.InvalidRequestTarget;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static RejectionReason JudgeOtherForm(ReadOnlySpan<byte> buffered, ReadOnlySpan<byte> target, ref RequestHead.State head, out int badAt)
    {
        badAt = head.TargetStart;
        int space = target.IndexOfAny((byte)' ', (byte)'\t');
        if (space >= 0)
        {
            badAt += space;
            return RejectionReason.InvalidRequestLine;
        }

        if (head.Method == HttpMethod.Connect)
        {
            return JudgeAuthorityForm(target, ref head);
        }

        if (target.Length == 1 && target[0] == (byte)'*')
        {
            head.TargetForm = RequestTargetForm.Asterisk;
            return head.Method == HttpMethod.Options ? RejectionReason.None : RejectionReason.OptionsMethodRequired;
        }

        int schemeLength = SchemeLength(target, out head.IsHttpsTarget);
        if (schemeLength > 0)
        {
            return JudgeAbsoluteForm(buffered, schemeLength, ref head, out badAt);
        }

        return HostSyntax.IsAuthority(target, out _) ? RejectionReason.ConnectMethodRequired : RejectionReason.InvalidRequestTarget;
    }

    /// <summary>RFC 9112 section 3.2.3 and RFC 9110 section 9.3.6: host and port, there is no default port.</summary>
    private static RejectionReason JudgeAuthorityForm(ReadOnlySpan<byte> target, ref RequestHead.State head)
    {
        head.TargetForm = RequestTargetForm.Authority;
        head.AuthorityStart = head.TargetStart;
        head.AuthorityLength = head.TargetLength;
        return HostSyntax.IsAuthority(target, out int port) && port > 0 ? RejectionReason.None : RejectionReason.InvalidRequestTarget;
    }

    /// <summary>RFC 9112 section 3.2.2; RFC 9110 section 4.2: an http URI without host is invalid, user information is refused.</summary>
    private static RejectionReason JudgeAbsoluteForm(ReadOnlySpan<byte> buffered, int schemeLength, ref RequestHead.State head, out int badAt)
    {
        int end = head.TargetStart + head.TargetLength;
        int start = head.TargetStart + schemeLength;
        badAt = start;
        int length = buffered[start..end].IndexOfAny((byte)'/', (byte)'?', (byte)'#');
        length = length < 0 ? end - start : length;
        if (!HostSyntax.IsAuthority(buffered.Slice(start, length), out _))
        {
            return RejectionReason.InvalidRequestTarget;
        }

        head.TargetForm = RequestTargetForm.Absolute;
        head.AuthorityStart = start;
        head.AuthorityLength = length;
        if (start + length == end)
        {
            head.PathStart = end;
            badAt = 0;
            return RejectionReason.None;
        }

        return JudgePathAndQuery(buffered, start + length, end, ref head, out badAt);
    }

    private static int SchemeLength(ReadOnlySpan<byte> target, out bool isHttps)
    {
        isHttps = false;
        if (target.Length >= 7 && Ascii.EqualsIgnoreCase(target[..7], "http://"u8))
        {
            return 7;
        }

        isHttps = target.Length >= 8 && Ascii.EqualsIgnoreCase(target[..8], "https://"u8);
        return isHttps ? 8 : 0;
    }
}
