namespace Aeronet.EndToEnd.Tests.Requests;

/// <summary>A request as bytes (Latin-1) and the status it gets.</summary>
/// <param name="Name">What it shows; unique in the corpus.</param>
/// <param name="Bytes">The bytes on the wire.</param>
/// <param name="Status">Status on Kestrel.</param>
/// <param name="AeronetStatus">Status on Aeronet where that differs on purpose.</param>
internal sealed record RequestCase(string Name, string Bytes, int Status, int? AeronetStatus = null);
