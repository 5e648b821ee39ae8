using System;
using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics;
using System.Text;
using Aeronet.Http.Semantics;
using Microsoft.Extensions.Primitives;

namespace Aeronet.Server.Exchange;

/// <summary>Fields of a response to bytes: checks at the time of setting what it will write, so that writing cannot fail.</summary>
internal readonly struct HeaderEncoder
{
    private readonly Func<string, Encoding?>? _selector;

    /// <param name="selector">The application's choice of encodings beyond ASCII; must answer the same for the same name. Null: ASCII only.</param>
    public HeaderEncoder(Func<string, Encoding?>? selector) => _selector = selector;

    /// <summary>Throws what the application is to see for a name or value that cannot go on the wire: response splitting ends here.</summary>
    public void Validate(KnownHeader header, string name, StringValues value)
    {
        int count = value.Count;
        for (int i = 0; i < count; i++)
        {
            if (value[i] is { } text)
            {
                int bad = FieldSyntax.IndexOfInvalidValueChar(text);
                if (bad >= 0)
                {
                    ValidateEncoded(name, text, bad);
                }
            }
        }

        if (header == KnownHeader.Unknown)
        {
            int bad = FieldSyntax.IndexOfInvalidNameChar(name);
            if (bad >= 0)
            {
                HeaderErrors.ThrowInvalidCharacter(name[bad]);
            }
        }
    }

    /// <summary>Bytes that <see cref="TryWrite"/> needs now.</summary>
    public int Measure(HeaderFields fields)
    {
        int length = 0;
        for (int slot = fields.Present.Next(0); slot >= 0; slot = fields.Present.Next(slot + 1))
        {
            var header = (KnownHeader)slot;
            length += Measure(KnownHeaders.Name(header), fields.Get(header));
        }

        for (int i = 0; i < fields.Others.Count; i++)
        {
            length += Measure(fields.Others[i].Name, fields.Others[i].Value);
        }

        return length;
    }

    /// <summary>Writes one field line per value, known names first. False when the destination is too short; it may be partly filled then.</summary>
    public bool TryWrite(HeaderFields fields, Span<byte> destination, out int written)
    {
        int length = destination.Length;
        for (int slot = fields.Present.Next(0); slot >= 0; slot = fields.Present.Next(slot + 1))
        {
            var header = (KnownHeader)slot;
            bool fits = header == KnownHeader.ContentLength
                ? TryWriteContentLength(fields.ContentLength.GetValueOrDefault(), ref destination)
                : TryWriteKnown(header, fields.Get(header), ref destination);
            if (!fits)
            {
                written = 0;
                return false;
            }
        }

        for (int i = 0; i < fields.Others.Count; i++)
        {
            if (!TryWriteOther(fields.Others[i].Name, fields.Others[i].Value, ref destination))
            {
                written = 0;
                return false;
            }
        }

        written = length - destination.Length;
        return true;
    }

    private bool TryWriteKnown(KnownHeader header, StringValues values, ref Span<byte> destination)
    {
        int count = values.Count;
        for (int i = 0; i < count; i++)
        {
            if (values[i] is { } text)
            {
                ReadOnlySpan<byte> prefix = KnownHeaders.Prefix(header);
                if (destination.Length < prefix.Length + text.Length + 2)
                {
                    return false;
                }

                prefix.CopyTo(destination);
                destination = destination[prefix.Length..];
                if (!TryWriteValue(KnownHeaders.Name(header), text, count > 1, ref destination))
                {
                    return false;
                }
            }
        }

        return true;
    }

    private bool TryWriteOther(string name, StringValues values, ref Span<byte> destination)
    {
        int count = values.Count;
        for (int i = 0; i < count; i++)
        {
            if (values[i] is { } text)
            {
                if (destination.Length < name.Length + 2 + text.Length + 2)
                {
                    return false;
                }

                OperationStatus status = Ascii.FromUtf16(name, destination, out int nameLength);
                Debug.Assert(status == OperationStatus.Done); // a token
                ": "u8.CopyTo(destination[nameLength..]);
                destination = destination[(nameLength + 2)..];
                if (!TryWriteValue(name, text, count > 1, ref destination))
                {
                    return false;
                }
            }
        }

        return true;
    }

    private static bool TryWriteContentLength(long length, ref Span<byte> destination)
    {
        ReadOnlySpan<byte> prefix = KnownHeaders.Prefix(KnownHeader.ContentLength);
        if (destination.Length < prefix.Length
            || !Utf8Formatter.TryFormat(length, destination[prefix.Length..], out int digits)
            || destination.Length < prefix.Length + digits + 2)
        {
            return false;
        }

        prefix.CopyTo(destination);
        "\r\n"u8.CopyTo(destination[(prefix.Length + digits)..]);
        destination = destination[(prefix.Length + digits + 2)..];
        return true;
    }

    // Writes the value and the end of the line.
    private bool TryWriteValue(string name, string text, bool isFromArray, ref Span<byte> destination)
    {
        Debug.Assert(destination.Length >= text.Length + 2);
        if (Ascii.FromUtf16(text, destination, out int length) != OperationStatus.Done)
        {
            if (!TryWriteEncoded(name, text, destination, out length))
            {
                return false;
            }
        }
        else if (isFromArray)
        {
            // The array is the application's and may have changed since it was checked.
            BlankControls(destination[..length]);
        }

        "\r\n"u8.CopyTo(destination[length..]);
        destination = destination[(length + 2)..];
        return true;
    }

    private bool TryWriteEncoded(string name, string text, Span<byte> destination, out int length)
    {
        Encoding encoding = EncodingOf(name) ?? Encoding.ASCII;
        length = encoding.GetByteCount(text);
        if (length + 2 > destination.Length)
        {
            return false;
        }

        length = encoding.GetBytes(text, destination);
        BlankControls(destination[..length]);
        return true;
    }

    // RFC 9110 section 5.5: a control is to be replaced with SP where the value is not refused. What was set was refused then;
    // only an array that changed afterwards, or a selector that changed its mind, comes here with one.
    private static void BlankControls(Span<byte> value)
    {
        for (int bad = FieldSyntax.IndexOfControl(value); bad >= 0; bad = FieldSyntax.IndexOfControl(value))
        {
            value[bad] = (byte)' ';
            value = value[(bad + 1)..];
        }
    }

    private int Measure(string name, StringValues values)
    {
        int length = 0;
        int count = values.Count;
        for (int i = 0; i < count; i++)
        {
            if (values[i] is { } text)
            {
                int valueLength = Ascii.IsValid(text) ? text.Length : (EncodingOf(name) ?? Encoding.ASCII).GetByteCount(text);
                length += name.Length + 2 + valueLength + 2;
            }
        }

        return length;
    }

    private void ValidateEncoded(string name, string text, int firstNotAscii)
    {
        if (EncodingOf(name) is not { } encoding)
        {
            HeaderErrors.ThrowInvalidCharacter(text[firstNotAscii]);
            return;
        }

        int control = FieldSyntax.IndexOfControlChar(text);
        if (control >= 0)
        {
            HeaderErrors.ThrowInvalidCharacter(text[control]);
        }

        // An encoding such as UTF-16 makes CR, LF and NUL out of harmless characters.
        byte[] bytes = encoding.GetBytes(text);
        control = FieldSyntax.IndexOfControl(bytes);
        if (control >= 0)
        {
            HeaderErrors.ThrowInvalidCharacter((char)bytes[control]);
        }
    }

    private Encoding? EncodingOf(string name) => _selector?.Invoke(name);
}
