using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace Aeronet.Server.Exchange;

/// <summary>The exceptions that header dictionaries throw towards the application: Kestrel's types and words, because applications match on them.</summary>
internal static class HeaderErrors
{
    [DoesNotReturn]
    public static void ThrowReadOnly()
        => throw new InvalidOperationException("Headers are read-only, response has already started.");

    [DoesNotReturn]
    public static void ThrowInvalidCharacter(char character)
        => throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"Invalid non-ASCII or control character in header: 0x{(int)character:X4}"));

    [DoesNotReturn]
    public static void ThrowInvalidContentLength(string value)
        => throw new InvalidOperationException(InvalidContentLength(value));

    // Kestrel reads what middleware puts into a request like what a client sends.
    [DoesNotReturn]
    public static void ThrowInvalidRequestContentLength(string value)
        => throw new BadHttpRequestException($"Invalid content length: {value}");

    [DoesNotReturn]
    public static void ThrowContentLengthOutOfRange(long value)
        => throw new ArgumentOutOfRangeException(nameof(value), value, InvalidContentLength(value.ToString(CultureInfo.InvariantCulture)));

    [DoesNotReturn]
    public static void ThrowForbiddenTrailer(string name)
        => throw new InvalidOperationException($"The field '{name}' is not allowed in a trailer section.");

    [DoesNotReturn]
    public static void ThrowEmptyName()
        => throw new InvalidOperationException("Header name cannot be a null or empty string.");

    [DoesNotReturn]
    public static void ThrowDuplicateKey(string key)
        => throw new ArgumentException($"An item with the same key has already been added. Key: {key}");

    [DoesNotReturn]
    public static void ThrowKeyNotFound()
        => throw new KeyNotFoundException();

    [DoesNotReturn]
    public static void ThrowDestinationTooShort()
        => throw new ArgumentException("The array is too short for the headers.");

    private static string InvalidContentLength(string value)
        => $"Invalid Content-Length: \"{value}\". Value must be a positive integral number.";
}
