using System;
using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics;
using System.Text;
using Aeronet.Http.Semantics;

namespace Aeronet.Http.Http1;

internal enum FieldWriteStatus : byte
{
    Done,

    /// <summary>Nothing counts as written; try again with more room.</summary>
    NoSpace,

    /// <summary>The name is no token; <see cref="FieldSyntax.IndexOfInvalidNameChar"/> says where.</summary>
    InvalidName,

    /// <summary>The value has a control or a character outside the encoding; <see cref="FieldSyntax.IndexOfInvalidValueChar"/> says where.</summary>
    InvalidValue,
}

/// <summary>Field lines of a response: name ": " value CRLF. Whatever gets through here cannot end a line or start another one (RFC 9110 section 5.5).</summary>
internal static class ResponseHeadWriter
{
    /// <summary>The longest that <see cref="TryWriteContentLength"/> writes.</summary>
    public const int ContentLengthLineLengthMax = 16 + 19 + 2;

    public static ReadOnlySpan<byte> CrLf => "\r\n"u8;

    /// <summary>A field with a known name: only the value is checked. ASCII values.</summary>
    public static FieldWriteStatus TryWriteField(Span<byte> into, KnownHeader name, ReadOnlySpan<char> value, out int written)
    {
        ReadOnlySpan<byte> prefix = KnownHeaders.Prefix(name);
        written = 0;
        if (!prefix.TryCopyTo(into))
        {
            return FieldWriteStatus.NoSpace;
        }

        FieldWriteStatus status = TryWriteValueAndLineEnd(into[prefix.Length..], value, out int valueLength);
        written = status == FieldWriteStatus.Done ? prefix.Length + valueLength : 0;
        return status;
    }

    /// <summary>Any name, ASCII value.</summary>
    public static FieldWriteStatus TryWriteField(Span<byte> into, ReadOnlySpan<char> name, ReadOnlySpan<char> value, out int written)
    {
        written = 0;
        FieldWriteStatus status = TryWriteName(into, name, out int nameLength);
        if (status != FieldWriteStatus.Done)
        {
            return status;
        }

        status = TryWriteValueAndLineEnd(into[nameLength..], value, out int valueLength);
        written = status == FieldWriteStatus.Done ? nameLength + valueLength : 0;
        return status;
    }

    /// <summary>Any name, value in bytes: for encodings that the application chose. Controls in the value are refused.</summary>
    public static FieldWriteStatus TryWriteField(Span<byte> into, ReadOnlySpan<char> name, ReadOnlySpan<byte> value, out int written)
    {
        written = 0;
        FieldWriteStatus status = TryWriteName(into, name, out int nameLength);
        if (status != FieldWriteStatus.Done)
        {
            return status;
        }

        if (FieldSyntax.IndexOfControl(value) >= 0)
        {
            return FieldWriteStatus.InvalidValue;
        }

        if (into.Length - nameLength < value.Length + 2)
        {
            return FieldWriteStatus.NoSpace;
        }

        value.CopyTo(into[nameLength..]);
        CrLf.CopyTo(into[(nameLength + value.Length)..]);
        written = nameLength + value.Length + 2;
        return FieldWriteStatus.Done;
    }

    /// <summary>As the ASCII overload, but characters up to U+00FF go out as one byte each.</summary>
    public static FieldWriteStatus TryWriteLatin1Field(Span<byte> into, ReadOnlySpan<char> name, ReadOnlySpan<char> value, out int written)
    {
        written = 0;
        FieldWriteStatus status = TryWriteName(into, name, out int nameLength);
        if (status != FieldWriteStatus.Done)
        {
            return status;
        }

        if (FieldSyntax.IndexOfControlChar(value) >= 0 || value.ContainsAnyExceptInRange('\0', '\u00FF'))
        {
            return FieldWriteStatus.InvalidValue;
        }

        if (into.Length - nameLength < value.Length + 2)
        {
            return FieldWriteStatus.NoSpace;
        }

        int length = Encoding.Latin1.GetBytes(value, into[nameLength..]);
        Debug.Assert(length == value.Length);
        CrLf.CopyTo(into[(nameLength + length)..]);
        written = nameLength + length + 2;
        return FieldWriteStatus.Done;
    }

    /// <summary><c>Content-Length: 123\r\n</c></summary>
    public static bool TryWriteContentLength(Span<byte> into, long length, out int written)
    {
        Debug.Assert(length >= 0);
        ReadOnlySpan<byte> prefix = "Content-Length: "u8;
        written = 0;
        if (!prefix.TryCopyTo(into) || !Utf8Formatter.TryFormat(length, into[prefix.Length..], out int digits))
        {
            return false;
        }

        if (!CrLf.TryCopyTo(into[(prefix.Length + digits)..]))
        {
            return false;
        }

        written = prefix.Length + digits + 2;
        return true;
    }

    private static FieldWriteStatus TryWriteName(Span<byte> into, ReadOnlySpan<char> name, out int written)
    {
        written = 0;
        if (FieldSyntax.IndexOfInvalidNameChar(name) >= 0)
        {
            return FieldWriteStatus.InvalidName;
        }

        if (into.Length < name.Length + 2)
        {
            return FieldWriteStatus.NoSpace;
        }

        Ascii.FromUtf16(name, into, out int length);
        Debug.Assert(length == name.Length);
        into[length] = (byte)':';
        into[length + 1] = (byte)' ';
        written = length + 2;
        return FieldWriteStatus.Done;
    }

    private static FieldWriteStatus TryWriteValueAndLineEnd(Span<byte> into, ReadOnlySpan<char> value, out int written)
    {
        written = 0;
        // Judged before room: an invalid value is invalid whatever the room, and the caller must not grow a buffer for it.
        if (FieldSyntax.IndexOfInvalidValueChar(value) >= 0)
        {
            return FieldWriteStatus.InvalidValue;
        }

        if (into.Length < value.Length + 2)
        {
            return FieldWriteStatus.NoSpace;
        }

        OperationStatus narrowed = Ascii.FromUtf16(value, into, out int length);
        Debug.Assert(narrowed == OperationStatus.Done);
        CrLf.CopyTo(into[length..]);
        written = length + 2;
        return FieldWriteStatus.Done;
    }
}
