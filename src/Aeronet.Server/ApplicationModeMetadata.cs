using System;

namespace Aeronet.Server;

/// <summary>Endpoint metadata that says where the endpoint's code runs. Read once per endpoint; without it Aeronet learns from what the calls cost.</summary>
public interface IApplicationModeMetadata
{
    /// <summary>Where the endpoint's code runs while <see cref="AeronetServerOptions.ApplicationMode"/> is <see cref="ApplicationMode.Inline"/>; no effect otherwise.</summary>
    ApplicationMode ApplicationMode { get; }
}

/// <summary>Says where the code of an endpoint (a controller, an action, a handler) runs. See <see cref="IApplicationModeMetadata"/>.</summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method, AllowMultiple = false)]
public sealed class ApplicationModeAttribute : Attribute, IApplicationModeMetadata
{
    /// <summary>Sets the mode.</summary>
    /// <param name="applicationMode">Where the code runs.</param>
    public ApplicationModeAttribute(ApplicationMode applicationMode) => ApplicationMode = applicationMode;

    /// <inheritdoc />
    public ApplicationMode ApplicationMode { get; }
}
