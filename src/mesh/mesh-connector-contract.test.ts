/** The mesh connector keeps the contract of connectors, with a runtime on another node. */
import { connectorContract } from '../../test/contracts/connector.contract.ts'
import { meshScope } from '../../test/support/script-connectors.ts'

connectorContract('MeshConnector', meshScope)
