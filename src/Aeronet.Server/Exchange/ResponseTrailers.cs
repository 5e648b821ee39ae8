using System;
using System.Text;
using Aeronet.Http.Semantics;
using Microsoft.Extensions.Primitives;

namespace Aeronet.Server.Exchange;

/// <summary>The fields that the application wants behind the response's content.</summary>
internal sealed class ResponseTrailers : HeaderFields
{
    private readonly HeaderEncoder _encoder;

    /// <param name="encodingSelector">As for the response's header fields.</param>
    public ResponseTrailers(Func<string, Encoding?>? encodingSelector) => _encoder = new HeaderEncoder(encodingSelector);

    /// <summary>Bytes that <see cref="TryWrite"/> needs.</summary>
    public int Measure() => _encoder.Measure(this);

    /// <summary>Writes a field line per value; not the empty line.</summary>
    public bool TryWrite(Span<byte> destination, out int written) => _encoder.TryWrite(this, destination, out written);

    /// <summary>Ends the response.</summary>
    public void Reset()
    {
        AllowChanges();
        Forget(keepStrings: false);
    }

    protected override void Validate(KnownHeader header, string name, StringValues value)
    {
        CheckName(header);
        _encoder.Validate(header, name, value);
    }

    // RFC 9110 section 6.5.1: what frames or routes the message has been read long before its trailers.
    protected override void CheckName(KnownHeader header)
    {
        if (TrailerFields.IsForbidden(header))
        {
            HeaderErrors.ThrowForbiddenTrailer(KnownHeaders.Name(header));
        }
    }
}
