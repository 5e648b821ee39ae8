using System;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using Aeronet.Http.Http1;
using Aeronet.Http.Semantics;
using Microsoft.Extensions.Primitives;

namespace Aeronet.Server.Exchange;

/// <summary>The request's fields over the bytes of its head: a string comes into being when the application asks for it.</summary>
/// <remarks>Kept with its exchange. Strings of the request before serve the next one where they are equal, but are visible to nobody.</remarks>
internal sealed class RequestHeaders : HeaderFields
{
    private readonly Func<string, Encoding?>? _encodingSelector;
    private readonly bool _reuseStrings;

    // Non-null from Attach to Release or Reset; the bytes of the head begin at _offset.
    private RequestHead? _head;
    private byte[]? _array;
    private int _offset;

    // Names that stand in more than one line. Valid once FindKnown has run.
    private HeaderSet _repeated;

    /// <param name="encodingSelector">Asked about values with bytes beyond ASCII; null, or its null, means strict UTF-8.</param>
    /// <param name="reuseStrings">False when the application disabled the reuse of strings between requests.</param>
    public RequestHeaders(Func<string, Encoding?>? encodingSelector, bool reuseStrings)
    {
        _encodingSelector = encodingSelector;
        _reuseStrings = reuseStrings;
    }

    /// <summary>Begins a request. Head and bytes must stay as they are until <see cref="Release"/> or <see cref="Reset"/>.</summary>
    /// <param name="head">What the parser found; its offsets count from <paramref name="offset"/>.</param>
    /// <param name="array">The array that holds the head's bytes.</param>
    /// <param name="offset">Where in the array the offsets count from.</param>
    public void Attach(RequestHead head, byte[] array, int offset)
    {
        Debug.Assert(_head is null);
        Debug.Assert(offset >= 0);
        Debug.Assert(offset + head.Length <= array.Length);
        _head = head;
        _array = array;
        _offset = offset;
        BeginReceived();
    }

    /// <summary>The same bytes lie elsewhere now.</summary>
    public void Rebase(byte[] array, int offset)
    {
        Debug.Assert(_head is not null);
        Debug.Assert(offset + _head.Length <= array.Length);
        _array = array;
        _offset = offset;
    }

    /// <summary>Whether every value can become a string. To be asked before the application starts: afterwards a bad value could not be refused any more.</summary>
    /// <param name="badOffset">Offset of the first bad byte, counted like the offsets of the head.</param>
    public bool TryDecodeAll(out int badOffset)
    {
        Debug.Assert(_head is not null);
        if (Ascii.IsValid(_array.AsSpan(_offset, _head.Length)))
        {
            badOffset = -1;
            return true;
        }

        return AreValuesText(out badOffset);
    }

    /// <summary>Makes all strings now and lets the bytes go; for requests that outlive their buffer, as upgraded ones do.</summary>
    public void Release()
    {
        if (_head is null)
        {
            return;
        }

        foreach (var _ in this)
        {
            // Each step makes the values of one field.
        }

        _head = null;
        _array = null;
    }

    /// <summary>Ends the request: nothing of it can be seen from here on.</summary>
    public void Reset()
    {
        AllowChanges();
        Forget(_reuseStrings);
        _head = null;
        _array = null;
        _offset = 0;
    }

    [DoesNotReturn]
    protected override void RefuseContentLength(string value) => HeaderErrors.ThrowInvalidRequestContentLength(value);

    protected override HeaderSet FindKnown(out long contentLength)
    {
        Debug.Assert(_head is not null);
        contentLength = 0;
        HeaderSet known = default;
        HeaderSet repeated = default;
        foreach (ref readonly FieldLine line in _head.Fields)
        {
            if (line.Name == KnownHeader.Unknown)
            {
                continue;
            }

            if (known.Contains(line.Name))
            {
                repeated.Add(line.Name);
            }

            known.Add(line.Name);
            if (line.Name == KnownHeader.ContentLength)
            {
                bool parsed = System.Buffers.Text.Utf8Parser.TryParse(Value(line), out contentLength, out int digits);
                Debug.Assert(parsed, "the parser refuses what is no number");
                Debug.Assert(digits == line.ValueLength);
            }
        }

        if (_head.HostFromTarget)
        {
            known.Add(KnownHeader.Host);
        }

        _repeated = repeated;
        return known;
    }

    protected override void AppendOthers(ref HeaderList others)
    {
        Debug.Assert(_head is not null);
        foreach (ref readonly FieldLine line in _head.Fields)
        {
            if (line.Name == KnownHeader.Unknown)
            {
                others.AddReceived(Name(line), Value(line), _encodingSelector);
            }
        }
    }

    protected override StringValues MakeValue(KnownHeader header, StringValues previous)
    {
        Debug.Assert(_head is not null);
        ReadOnlySpan<byte> value;
        if (header == KnownHeader.Host && _head.HostFromTarget)
        {
            value = _array.AsSpan(_offset + _head.AuthorityStart, _head.AuthorityLength); // RFC 9112 section 3.2.2
        }
        else
        {
            ReadOnlySpan<FieldLine> lines = _head.Fields;
            int first = IndexOf(lines, header);
            Debug.Assert(first >= 0);
            if (_repeated.Contains(header))
            {
                return MakeValues(header, lines[first..]);
            }

            value = Value(lines[first]);
        }

        string? kept = HeaderStrings.Single(previous);
        string text = HeaderStrings.Decode(value, kept, KnownHeaders.Name(header), _encodingSelector);
        return ReferenceEquals(text, kept) ? previous : new StringValues(text);
    }

    // Several lines of one name: one element per line, in their order. RFC 9110 section 5.3.
    private StringValues MakeValues(KnownHeader header, ReadOnlySpan<FieldLine> lines)
    {
        int count = 0;
        foreach (ref readonly FieldLine line in lines)
        {
            count += line.Name == header ? 1 : 0;
        }

        Debug.Assert(count > 1);
        string[] values = new string[count];
        int next = 0;
        foreach (ref readonly FieldLine line in lines)
        {
            if (line.Name == header)
            {
                values[next++] = HeaderStrings.Decode(Value(line), null, KnownHeaders.Name(header), _encodingSelector);
            }
        }

        Debug.Assert(next == count);
        return values;
    }

    private bool AreValuesText(out int badOffset)
    {
        foreach (ref readonly FieldLine line in _head!.Fields)
        {
            if (!HeaderStrings.IsText(Value(line), Name(line), _encodingSelector, out int badIndex))
            {
                badOffset = line.ValueStart + badIndex;
                return false;
            }
        }

        badOffset = -1;
        return true;
    }

    private static int IndexOf(ReadOnlySpan<FieldLine> lines, KnownHeader header)
    {
        for (int i = 0; i < lines.Length; i++)
        {
            if (lines[i].Name == header)
            {
                return i;
            }
        }

        return -1;
    }

    private ReadOnlySpan<byte> Name(in FieldLine line) => _array.AsSpan(_offset + line.NameStart, line.NameLength);

    private ReadOnlySpan<byte> Value(in FieldLine line) => _array.AsSpan(_offset + line.ValueStart, line.ValueLength);
}
